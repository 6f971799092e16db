"""What clients do while the service is killed under them, and what it promised them."""

from __future__ import annotations

import base64
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.chaos.samples import Sample
    from tests.service import Service

TIMEOUT_S = 20.0
PIECE_BYTES = 64 * 1024
MAX_PIECES = 12
TUS = {"Tus-Resumable": "1.0.0"}
GONE = (httpx.TransportError,)
"""What a client sees of a kill."""


@dataclass
class Promises:
    """What clients were told has happened.

    Attributes:
        accepted: SHA-256 of each capture answered with success, with its latest job.
        resumable: Where each upload that was cut off goes on, by SHA-256.
        comments: Texts answered with 201, by finding.
        cursor: Where the poller stands.
        seen: How often the poller got each finding version.
    """

    accepted: dict[str, str] = field(default_factory=dict)
    resumable: dict[str, str] = field(default_factory=dict)
    resumed: int = 0
    again: int = 0
    comments: dict[str, list[str]] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    cursor: str = ""
    seen: Counter[tuple[str, int]] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)


class Traffic:
    """Two uploaders, a poller and somebody who comments, until the service goes away."""

    def __init__(
        self, service: Service, plan: list[Sample], promises: Promises, chance: random.Random
    ) -> None:
        self._service = service
        self._plan = plan
        self._promises = promises
        self._stop = threading.Event()
        seeds = [chance.getrandbits(32) for _ in range(4)]
        jobs = (self._upload, self._upload, self._poll, self._comment)
        self._threads = [
            threading.Thread(target=self._guarded, args=(job, random.Random(one)), daemon=True)
            for job, one in zip(jobs, seeds, strict=True)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S * 2)
            assert not thread.is_alive(), "a client hangs although the service is gone"

    def _guarded(
        self, job: Callable[[httpx.Client, random.Random], None], chance: random.Random
    ) -> None:
        headers = self._service.headers()
        with httpx.Client(base_url=self._service.url, headers=headers, timeout=TIMEOUT_S) as client:
            try:
                job(client, chance)
            except GONE:
                return
            except Exception as error:  # noqa: BLE001 - said at the end, whatever it is
                self._promises.errors.append(f"{type(error).__name__}: {error}")

    # Uploads

    def _upload(self, client: httpx.Client, chance: random.Random) -> None:
        while not self._stop.is_set():
            with self._promises.guard:
                accepted = set(self._promises.accepted)
            waiting = [one for one in self._plan if one.sha256 not in accepted]
            if not waiting:
                return
            known = [one for one in self._plan if one.sha256 in accepted]
            again = bool(known) and chance.random() < 0.15
            sample = chance.choice(known if again else waiting[:4])
            if chance.random() < 0.5:
                upload_whole(client, sample, self._promises, chance, again=again)
            else:
                upload_in_pieces(client, sample, self._promises, chance)

    # Reading and writing

    def _poll(self, client: httpx.Client, chance: random.Random) -> None:
        while not self._stop.is_set():
            poll(client, self._promises, limit=chance.choice((1, 3, 20)))
            time.sleep(0.02)

    def _comment(self, client: httpx.Client, chance: random.Random) -> None:
        number = 0
        while not self._stop.is_set():
            with self._promises.guard:
                known = sorted({key for key, _ in self._promises.seen})
            if known:
                number += 1
                text = f"{chance.getrandbits(64):x} {number}"
                comment(client, chance.choice(known), text, self._promises)
            time.sleep(0.05 + 0.1 * chance.random())


def upload_whole(
    client: httpx.Client,
    sample: Sample,
    promises: Promises,
    chance: random.Random,
    *,
    again: bool = False,
) -> None:
    """One request; its body comes in pieces with pauses, so that a kill can hit it."""
    query: dict[str, Any] = {"name": sample.name}
    if again and chance.random() < 0.5:
        query["reanalyse"] = "true"
    answer = client.post(
        "/v1/captures",
        params=query,
        content=_slowly(sample.data, chance),
        headers={
            "Content-Type": "application/octet-stream",
            "Content-Length": str(len(sample.data)),
        },
    )
    if answer.status_code not in {200, 202}:
        raise AssertionError(f"upload answered {answer.status_code}: {answer.text[:300]}")
    said = answer.json()
    assert said["capture"]["sha256"] == sample.sha256
    with promises.guard:
        promises.again += sample.sha256 in promises.accepted
        promises.accepted[sample.sha256] = said["job"]["id"]


def upload_in_pieces(
    client: httpx.Client, sample: Sample, promises: Promises, chance: random.Random
) -> None:
    """A resumable upload (tus 1.0); one that a kill cut off goes on where it was."""
    place = promises.resumable.get(sample.sha256)
    if place is None:
        name = base64.b64encode(sample.name.encode()).decode()
        made = client.post(
            "/v1/uploads",
            headers={
                **TUS,
                "Upload-Length": str(len(sample.data)),
                "Upload-Metadata": f"filename {name}",
            },
        )
        if made.status_code != 201:
            raise AssertionError(f"upload not opened: {made.status_code}: {made.text[:300]}")
        place = promises.resumable[sample.sha256] = httpx.URL(made.headers["Location"]).path
    head = client.head(place, headers=TUS)
    if head.status_code in {404, 410}:
        del promises.resumable[sample.sha256]
        return
    assert head.status_code in {200, 204}, f"HEAD answered {head.status_code}"
    offset = int(head.headers["Upload-Offset"])
    promises.resumed += offset > 0
    while offset < len(sample.data):
        size = chance.choice((7_000, 40_000, 200_000))
        piece = sample.data[offset : offset + size]
        answer = client.patch(
            place,
            content=_slowly(piece, chance),
            headers={
                **TUS,
                "Content-Type": "application/offset+octet-stream",
                "Content-Length": str(len(piece)),
                "Upload-Offset": str(offset),
            },
        )
        if answer.status_code in {404, 409, 410, 423}:
            return  # the other uploader was faster
        assert answer.status_code == 204, f"PATCH answered {answer.status_code}: {answer.text}"
        offset = int(answer.headers["Upload-Offset"])
    # Whoever sees all bytes taken may forget them.
    with promises.guard:
        promises.accepted.setdefault(sample.sha256, "")
        promises.resumable.pop(sample.sha256, None)


def poll(client: httpx.Client, promises: Promises, *, limit: int) -> bool:
    """One page behind the cursor; False at the end."""
    query: dict[str, Any] = {
        "sort": "feed",
        "limit": limit,
        "superseded": "show",
        "suppressed": "show",
    }
    if promises.cursor:
        query["cursor"] = promises.cursor
    answer = client.get("/v1/findings", params=query)
    assert answer.status_code == 200, f"poll answered {answer.status_code}: {answer.text[:300]}"
    page = answer.json()
    with promises.guard:
        promises.seen.update((one["id"], one["version"]) for one in page["data"])
        promises.cursor = page["page"]["next_cursor"]
    return bool(page["data"])


def comment(client: httpx.Client, finding_id: str, text: str, promises: Promises) -> None:
    """Writes under a finding; without an answer nobody knows whether it is there."""
    promises.unsure.add(text)
    answer = client.post(f"/v1/findings/{finding_id}/comments", json={"text": text})
    assert answer.status_code == 201, f"comment answered {answer.status_code}: {answer.text[:300]}"
    promises.unsure.discard(text)
    promises.comments.setdefault(finding_id, []).append(text)


def _slowly(data: bytes, chance: random.Random) -> Iterator[bytes]:
    size = max(PIECE_BYTES, len(data) // MAX_PIECES)
    for start in range(0, len(data), size):
        yield data[start : start + size]
        time.sleep(0.02 * chance.random())
