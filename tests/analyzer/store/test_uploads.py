"""Resumable uploads as rows."""

import pytest

from analyzer.errors import ConflictError, LimitError, NotFoundError
from analyzer.store import Store, uploads
from analyzer.store.records import Actor, Upload
from tests.builders_store import ANA, EPOCH_NS


def test_an_upload_goes_forward_from_where_it_is(store: Store) -> None:
    upload = store.uploads.create(length=9, metadata={"filename": "YQ=="}, by=ANA, expires_ns=1)

    assert store.uploads.advance(upload.id, offset=4, from_offset=0).offset == 4
    with pytest.raises(ConflictError, match="not at byte 0 any more"):
        store.uploads.advance(upload.id, offset=4, from_offset=0)
    assert store.uploads.get(upload.id).metadata == {"filename": "YQ=="}
    done = store.uploads.finish(upload.id, capture="ab", job_id="j-1")
    assert (done.capture, done.job_id) == ("ab", "j-1")


def test_an_upload_that_is_forgotten_leaves_no_bytes(store: Store) -> None:
    upload = store.uploads.create(length=9, metadata={}, by=ANA, expires_ns=1)
    store.uploads.part_path(upload.id).write_bytes(b"half")

    store.uploads.delete(upload.id)

    assert list(store.folder.uploads.iterdir()) == []
    for missing in (store.uploads.get, store.uploads.delete):
        with pytest.raises(NotFoundError):
            missing(upload.id)


def test_those_whose_time_is_over_are_known(store: Store) -> None:
    old = store.uploads.create(length=9, metadata={}, by=ANA, expires_ns=EPOCH_NS)
    young = store.uploads.create(length=9, metadata={}, by=ANA, expires_ns=2**62)

    assert store.uploads.expired() == [old]
    assert {one.id for one in store.uploads.list()} == {old.id, young.id}


def test_only_so_many_are_open_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_OPEN", 1)
    first = store.uploads.create(length=9, metadata={}, by=ANA, expires_ns=2**62)

    with pytest.raises(LimitError, match="1 are open"):
        store.uploads.create(length=9, metadata={}, by=ANA, expires_ns=2**62)

    store.uploads.finish(first.id, capture="ab", job_id="j-1")
    store.uploads.create(length=9, metadata={}, by=ANA, expires_ns=2**62)


def test_one_caller_leaves_room_for_others(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_OPEN_EACH", 2)
    first, second = Actor(name="key:a"), Actor(name="key:b")

    def begin(by: Actor) -> Upload:
        return store.uploads.create(length=10, metadata={}, by=by, expires_ns=2**62)

    begun = [begin(first) for _ in range(2)]
    with pytest.raises(LimitError, match="2 of yours are open"):
        begin(first)
    begin(second)
    store.uploads.delete(begun[0].id)
    begin(first)
