"""The commands of the documentation are run as they are printed."""

import base64
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from tests.service import free_port
from tests.waiting import until

ROOT = Path(__file__).resolve().parent.parent
WALK = re.compile(r"<!-- walk -->\n```sh\n(.*?)```", re.DOTALL)
SECRET = "whsec_" + base64.b64encode(b"012345678901234567890123").decode()
TIMEOUT_S = 180


class Receiver(ThreadingHTTPServer):
    """Takes webhooks and keeps those whose signature holds."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[dict[str, Any]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(Webhook(SECRET).verify(body, dict(self.headers)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook receiver on loopback."""
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def walked(page: str, folder: Path, receiver_port: int = 9000) -> str:
    """Runs the marked commands of a page, in order, in a folder; what they said."""
    port = free_port()
    (folder / "pcaps").symlink_to(ROOT / "pcaps")
    walk = (
        "\n".join(WALK.findall((ROOT / page).read_text(encoding="utf-8")))
        .replace("http://127.0.0.1:8000", f"http://127.0.0.1:{port}")
        .replace("http://127.0.0.1:9000", f"http://127.0.0.1:{receiver_port}")
    )
    script = f"set -euo pipefail\ntrap 'kill $(jobs -p); wait' EXIT\n{walk}\necho WALKED\n"
    environ = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OUTGATE_PORT": str(port),
        "OUTGATE_SINK_NETWORKS": "127.0.0.0/8",
    }
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    said = f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert done.returncode == 0, said
    assert "WALKED" in done.stdout, said
    return done.stdout


def test_the_readme_leads_from_start_to_findings(tmp_path: Path) -> None:
    said = walked("README.md", tmp_path)

    assert '"mining.stratum"' in said
    assert "problems" not in said


def test_the_service_page_leads_from_start_to_a_pushed_finding(
    tmp_path: Path, receiver: Receiver
) -> None:
    said = walked("docs/service.md", tmp_path, receiver.server_port)

    assert "event: done" in said
    assert '"acknowledged"' in said
    assert (tmp_path / "evidence.pcapng").read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
    findings = json.loads((tmp_path / "findings.json").read_text())["data"]
    assert [finding["detector"] for finding in findings][:2] == [
        "mining.stratum",
        "tunnel.ssh_reverse",
    ]
    until(lambda: len(receiver.received) >= 2, "both findings at the webhook")
    pushed = {message["data"]["id"] for message in receiver.received}
    assert {finding["id"] for finding in findings[:2]} <= pushed
