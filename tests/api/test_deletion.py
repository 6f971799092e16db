"""What becomes of a capture that is deleted, and of its bytes when they come again."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from analyzer.store.records import JobState

if TYPE_CHECKING:
    import pytest

    from analyzer.store import Store
    from tests.asgi import ApiClient

PCAP = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + struct.pack("<IIII", 1, 0, 4, 4)
PCAP += b"data"
TYPE = {"Content-Type": "application/vnd.tcpdump.pcap"}


def test_bytes_that_come_again_after_their_deletion_are_analysed_again(
    admin: ApiClient, store: Store
) -> None:
    """Their tables went with the file, and the job of before brings none."""
    first = admin.post("/v1/captures", content=PCAP, headers=TYPE).json()
    sha256 = first["capture"]["sha256"]
    (job,) = store.jobs.claim(limit=1)
    store.jobs.finish(job.id, job.attempt, {"findings": []}, None)
    known = admin.post("/v1/captures", content=PCAP, headers=TYPE).json()
    assert known["job"]["id"] == job.id

    assert admin.delete(f"/v1/captures/{sha256}", params={"reason": "by mistake"}).is_success
    again = admin.post("/v1/captures", content=PCAP, headers=TYPE)

    assert (again.status_code, again.json()["created"]) == (202, True)
    assert again.json()["job"]["id"] != job.id
    assert store.jobs.get(again.json()["job"]["id"]).state is JobState.QUEUED


def test_a_file_that_goes_while_it_is_asked_for_is_gone_and_no_fault(
    admin: ApiClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = admin.post("/v1/captures", content=PCAP, headers=TYPE).json()["capture"]["sha256"]
    file = store.folder.capture_path(sha256)
    # The last thing that happens before the file is sent.
    monkeypatch.setattr(store.audit, "record", lambda *_: file.unlink())
    answer = admin.get(f"/v1/captures/{sha256}/content")
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")
    assert str(store.folder.captures) not in answer.text
