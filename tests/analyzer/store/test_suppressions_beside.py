"""Suppressions are added beside others who work with the store."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from analyzer.store import suppressions
from tests.stored import ANA, analyse, document, keep_capture

if TYPE_CHECKING:
    import pytest

    from analyzer.store import Store


def test_others_write_while_it_is_counted_what_new_ones_hide(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyse(store, [document(1)])
    count = suppressions._count_hits
    written: list[bool] = []

    def slow(*given: Any) -> Any:
        other = threading.Thread(target=keep_capture, args=(store, b"other"), daemon=True)
        other.start()
        other.join(5)
        written.append(not other.is_alive())
        return count(*given)

    monkeypatch.setattr(suppressions, "_count_hits", slow)

    made = store.suppressions.add(
        kind="suppress", scope={"detector": "mining.*"}, reason="test", expires_ns=0, by=ANA
    )

    assert written == [True]
    assert made.hits == 1
