"""A thin client of the service's API, for scripts and notebooks.

    with Client("http://127.0.0.1:8000", key) as outgate:
        job = outgate.upload("gateway.pcapng")
        outgate.wait(job["id"])
        for finding in outgate.findings(severity_at_least="high"):
            print(finding["title"])

Answers are the API's own JSON; docs/service.md and `/v1/openapi.json` describe them.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from analyzer.errors import OutgateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

TIMEOUT_S = 30.0
CHUNK_BYTES = 8 * 1024 * 1024
TUS = {"Tus-Resumable": "1.0.0"}
ENDED = frozenset({"succeeded", "partial", "failed", "cancelled"})
MAX_RESUMES = 100
MAX_PAUSE_S = 5.0


class ApiError(OutgateError):
    """The service answered with a problem (RFC 9457).

    Attributes:
        status: Of HTTP.
        code: Of the problem, as docs/problems.md lists them; "" if the answer was none of ours.
        problem: The whole document.
    """

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.code = str(problem.get("code", ""))
        self.problem = problem
        said = problem.get("detail") or problem.get("title") or f"the service answered {status}"
        super().__init__(str(said), hint=str(problem.get("hint") or ""))


class Client:
    """One connection to one service.

    Args:
        url: Where it is: `http://127.0.0.1:8000`.
        key: An API key; "" where the service asks for none.
        transport: Another way to the service, for tests.
    """

    def __init__(
        self, url: str, key: str = "", *, transport: httpx.BaseTransport | None = None
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=TIMEOUT_S, transport=transport
        )

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def get(self, path: str, **query: Any) -> Any:  # noqa: ANN401 - JSON
        """Any resource below `/v1`, as JSON values.

        Raises:
            ApiError: The service refuses.
            httpx.HTTPError: The service cannot be reached.
        """
        return _checked(self._http.get(f"/v1/{path}", params=_given(query))).json()

    def upload(self, path: str | Path, *, name: str = "", reanalyse: bool = False) -> Any:  # noqa: ANN401
        """Sends a capture in one request; gives the job that analyses it.

        Raises:
            ApiError: The service refuses it.
            OSError: The file cannot be read.
        """
        file = Path(path)
        query = {"name": name or file.name, "reanalyse": "true" if reanalyse else None}
        headers = {
            "Content-Type": "application/vnd.tcpdump.pcap",
            "Content-Length": str(file.stat().st_size),
        }
        answer = self._http.post(
            "/v1/captures", params=_given(query), headers=headers, content=_chunks(file)
        )
        return _checked(answer).json()["job"]

    def upload_resumable(self, path: str | Path, *, name: str = "", url: str = "") -> Any:  # noqa: ANN401
        """Sends a capture in pieces (tus 1.0) and goes on after a cut; gives the job.

        Args:
            path: The file.
            name: What to call it; its own name otherwise.
            url: Of an upload begun earlier, as `begin_upload` gave it.

        Raises:
            ApiError: The service refuses it.
            httpx.TransportError: The service stays away.
        """
        file = Path(path)
        where = url or self.begin_upload(file, name=name)
        size, failures = file.stat().st_size, 0
        while True:
            try:
                offset = self._offset(where)
                answer = self._send_from(file, where, offset, size)
            except httpx.TransportError:
                failures += 1
                if failures > MAX_RESUMES:
                    raise
                time.sleep(min(MAX_PAUSE_S, 0.1 * 2**failures))
                continue
            job = answer.headers.get("Outgate-Job", "")
            return self.job(job)

    def begin_upload(self, path: str | Path, *, name: str = "") -> str:
        """Opens a resumable upload; gives its address."""
        import base64  # noqa: PLC0415 - for this alone

        file = Path(path)
        called = base64.b64encode((name or file.name).encode()).decode()
        headers = {
            **TUS,
            "Upload-Length": str(file.stat().st_size),
            "Upload-Metadata": f"filename {called}",
        }
        return _checked(self._http.post("/v1/uploads", headers=headers)).headers["Location"]

    def _offset(self, url: str) -> int:
        return int(_checked(self._http.head(url, headers=TUS)).headers["Upload-Offset"])

    def _send_from(self, file: Path, url: str, offset: int, size: int) -> httpx.Response:
        answer = None
        with file.open("rb") as opened:
            while answer is None or offset < size:
                opened.seek(offset)
                headers = {
                    **TUS,
                    "Content-Type": "application/offset+octet-stream",
                    "Upload-Offset": str(offset),
                }
                piece = opened.read(CHUNK_BYTES)
                answer = _checked(self._http.patch(url, headers=headers, content=piece))
                offset = int(answer.headers["Upload-Offset"])
        return answer

    def job(self, job_id: str) -> Any:  # noqa: ANN401
        """One job as it is now."""
        return self.get(f"jobs/{job_id}")

    def wait(self, job_id: str, *, timeout_s: float = 600.0) -> Any:  # noqa: ANN401
        """The job once it has ended, following its events.

        Raises:
            TimeoutError: It has not ended in time.
        """
        deadline = time.monotonic() + timeout_s
        for event in self.events(job_id):
            if event["event"] == "done" or time.monotonic() > deadline:
                break
        job = self.job(job_id)
        if job["state"] not in ENDED:
            raise TimeoutError(f"job {job_id} is still {job['state']} after {timeout_s:g} s")
        return job

    def events(self, job_id: str, *, after: int = 0) -> Iterator[dict[str, Any]]:
        """A job's events as they come: `event`, `id`, `data`; ends with the job."""
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        path = f"/v1/jobs/{job_id}/events"
        with self._http.stream("GET", path, headers=headers) as answer:
            if answer.status_code >= httpx.codes.BAD_REQUEST:
                answer.read()
            _checked(answer)
            event: dict[str, Any] = {}
            for line in answer.iter_lines():
                if not line and "data" in event:
                    yield {**event, "data": json.loads(event["data"])}
                    event = {}
                field, _, value = line.partition(": ")
                if field in {"event", "id", "data"}:
                    event[field] = value

    def findings(self, *, cursor: str = "", **query: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401
        """Every finding there is now, page by page."""
        more = True
        while more:
            found, cursor, more = self.poll(cursor, **query)
            yield from found

    def poll(self, cursor: str = "", **query: Any) -> tuple[Sequence[dict[str, Any]], str, bool]:  # noqa: ANN401
        """What is new behind a cursor.

        Returns:
            Findings, the cursor to come back with, and whether more waits already.
        """
        page = self.get("findings", cursor=cursor or None, **query)
        return page["data"], page["page"]["next_cursor"], page["page"]["has_more"]

    def finding(self, finding_id: str) -> Any:  # noqa: ANN401
        """One finding."""
        return self.get(f"findings/{finding_id}")

    def triage(self, finding_id: str, *, version: int, reason: str, **change: Any) -> Any:  # noqa: ANN401
        """Changes status, verdict, assignee or tags of the version that was read.

        Raises:
            ApiError: With status 412 if somebody was faster.
        """
        headers = {"If-Match": f'"v{version}"', "Content-Type": "application/merge-patch+json"}
        body = json.dumps({**change, "reason": reason})
        return _checked(
            self._http.patch(f"/v1/findings/{finding_id}", headers=headers, content=body)
        ).json()

    def comment(self, finding_id: str, text: str) -> Any:  # noqa: ANN401
        """Writes under a finding."""
        path = f"/v1/findings/{finding_id}/comments"
        return _checked(self._http.post(path, json={"text": text})).json()

    def carve(self, finding_id: str, output: str | Path) -> int:
        """Writes a finding's frames to a new capture; gives its size in bytes."""
        path = f"/v1/findings/{finding_id}/evidence/capture"
        data = _checked(self._http.get(path)).content
        Path(output).write_bytes(data)
        return len(data)


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.status_code < httpx.codes.BAD_REQUEST:
        return answer
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    raise ApiError(answer.status_code, problem if isinstance(problem, dict) else {})


def _given(query: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(CHUNK_BYTES):
            yield piece
