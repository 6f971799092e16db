"""`outgate store check`: whether everything in a store fits together.

It changes nothing and may run beside a service: what a service is about to do is told from what is
wrong by its age, and looked at a second time.
"""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

from analyzer.errors import StoreUnavailable
from analyzer.store.folder import in_use
from analyzer.store.maintenance import check_files, check_findings, check_rows
from analyzer.store.maintenance.problems import Checking, CheckReport, Problem, bounded
from analyzer.times import NS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from analyzer.store import Store

GRACE_S = 120.0
"""Between a file and its row there is one transaction, which has ended by then."""

CHECKS = (
    check_rows.database,
    check_rows.references,
    check_rows.counters,
    check_rows.audit,
    check_rows.jobs,
    check_rows.analyses,
    check_rows.outbox,
    check_findings.places,
    check_findings.histories,
    check_findings.analyses,
    check_files.access,
    check_files.captures,
    check_files.tables,
    check_files.uploads,
    check_files.without_rows,
)


def check(store: Store, *, deep: bool = False, grace_s: float = GRACE_S) -> CheckReport:
    """Looks at everything.

    Args:
        store: Open, not necessarily exclusively.
        deep: Whether to read every byte: hashes of captures, rows of tables, findings' histories.
        grace_s: How young a file without a row may be while a service runs.

    A database that refuses is a problem like any other.
    """
    checking = Checking(
        store=store,
        deep=deep,
        in_use=in_use(store.folder),
        grace_ns=int(grace_s * NS_PER_SECOND),
        now_ns=time.time_ns(),  # ages of files go by the system's clock, not by the store's
    )
    found = itertools.chain.from_iterable(_guarded(one, checking) for one in CHECKS)
    problems, left, not_shown = bounded(found)
    return CheckReport(
        problems=problems,
        leftovers=left,
        not_shown=not_shown,
        examined=dict(sorted(checking.examined.items())),
        deep=deep,
        in_use=checking.in_use,
    )


def _guarded(one: Callable[[Checking], Iterator[Problem]], checking: Checking) -> Iterator[Problem]:
    try:
        yield from one(checking)
    except StoreUnavailable as error:
        yield Problem(
            kind="database.damaged",
            subject=checking.store.database.url,
            what=f"{one.__name__} could not be looked at: {error.message}",
            remedy=f"{error.hint}; if it is damaged, {check_rows.RESTORE}",
        )
