"""What the service does by itself from time to time."""

import logging
import threading
from pathlib import Path

import pytest

from analyzer.errors import ConflictError
from analyzer.store import Store
from analyzer.store.folder import held_alone
from api.lifecycle import Chore, Housekeeping, chores
from api.settings import ServiceSettings
from tests.builders_store import Clock, adopt, analysed, claim, finish
from tests.waiting import until


def test_the_service_compacts_its_store_by_itself(tmp_path: Path) -> None:
    clock = Clock()
    with Store.open(tmp_path / "data", exclusive=True, clock=clock) as opened:
        old = analysed(opened)
        adopt(opened, reanalyse=True)
        new = finish(opened, claim(opened))
        clock.move(days=1)
        keeping = Housekeeping(chores=chores(opened, ServiceSettings(data=tmp_path / "data")))
        keeping.start()
        try:
            until(lambda: not opened.folder.tables_path(old.id).exists(), "tables of the older one")
        finally:
            keeping.stop()
        assert opened.folder.tables_path(new.id).is_dir()


def test_a_chore_that_cannot_be_done_now_waits_no_day(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("api.lifecycle.TICK_S", 0.01)
    monkeypatch.setattr("api.lifecycle.AGAIN_S", 0.01)
    caplog.set_level(logging.INFO, "outgate.service")
    tries: list[None] = []
    done = threading.Event()

    def do() -> None:
        tries.append(None)
        if len(tries) < 3:
            raise ConflictError("cannot do it: a backup is being made")
        done.set()

    keeping = Housekeeping(chores=(Chore(name="sweep", every_s=86_400, do=do),))
    keeping.start()
    try:
        assert done.wait(10)
    finally:
        keeping.stop()
    assert len(tries) == 3
    assert "sweep waits: cannot do it: a backup is being made" in caplog.text
    assert "Traceback" not in caplog.text


def test_compaction_gives_way_to_a_backup(tmp_path: Path) -> None:
    with Store.open(tmp_path / "data", exclusive=True) as opened:
        settings = ServiceSettings(data=tmp_path / "data")
        (compaction,) = [one for one in chores(opened, settings) if one.name == "compaction"]
        with (
            held_alone(opened.folder.maintenance_lock, shared=True),
            pytest.raises(ConflictError, match="a backup is being made"),
        ):
            compaction.do()
        compaction.do()
