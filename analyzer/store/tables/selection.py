"""Which flows a query is about: the words of its filter, its captures, its finding."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from analyzer.errors import NotFoundError, UsageError
from analyzer.store import schema
from analyzer.store.tables.conditions import condition
from analyzer.store.tables.engine import Binder
from analyzer.store.tables.files import Gap
from analyzer.store.tables.filters import FilterError, Term, Value, parse_filter, parse_values
from analyzer.store.tables.sources import MAX_NAMED_CAPTURES
from analyzer.store.tables.values import fits, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from analyzer.store.database import Database
    from analyzer.store.tables.sources import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSelection:
    """Which flows.

    Attributes:
        captures: SHA-256 of captures; none means all.
        finding: Id of a finding, whose flows alone are meant, or "".
        terms: Words that all hold.
    """

    captures: tuple[str, ...] = ()
    finding: str = ""
    terms: tuple[Term, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """A selection, looked up.

    Attributes:
        captures: To read; none means all.
        terms: For the flow table.
        capture_terms: For the captures' ids and names.
        flow_ids: Of the finding, or None.
        gaps: Why the finding's flows cannot be told, if so.
    """

    captures: tuple[str, ...]
    terms: tuple[Term, ...]
    capture_terms: tuple[Term, ...] = ()
    flow_ids: tuple[int, ...] | None = None
    gaps: tuple[Gap, ...] = field(default=())

    def admits(self, source: Source) -> bool:
        """Whether the words about captures admit one."""
        return all(
            any(fits(source.capture, value) or fits(source.name, value) for value in term.values)
            != term.is_negated
            for term in self.capture_terms
        )

    def conditions(self, binder: Binder) -> list[str]:
        """SQL beyond that of the words."""
        if self.flow_ids is None:
            return []
        return [f"flow_id IN (SELECT unnest({binder.bind(list(self.flow_ids))}))"]


def selection_of(
    text: str = "",
    *,
    captures: Iterable[str] = (),
    finding: str = "",
    fields: Mapping[str, str] | None = None,
) -> FlowSelection:
    """A selection from a filter's text and values of single fields, which all hold.

    Args:
        text: In the filter language.
        captures: SHA-256 of captures.
        finding: Id of a finding, or "".
        fields: Filter fields and their values, written as in the filter; "" is left out.

    Raises:
        FilterError: The text, or a value, cannot be read.
        UsageError: Too many captures are named.
    """
    named = tuple(dict.fromkeys(capture for capture in captures if capture))
    if len(named) > MAX_NAMED_CAPTURES:
        raise UsageError(f"cannot name more than {MAX_NAMED_CAPTURES} captures in one query")
    terms = list(parse_filter(text))
    for name, value in (fields or {}).items():
        if value:
            terms.append(_word(name, value))
    return FlowSelection(captures=named, finding=finding, terms=tuple(terms))


def _word(name: str, value: str) -> Term:
    with _said_of(name):
        term = parse_values(name, value)
        condition([term], Binder())  # refuses what the field cannot be compared with
        return term


def select(database: Database, selection: FlowSelection) -> Selected:
    """Looks up what a selection names.

    Raises:
        NotFoundError: There is no such finding.
        FilterError: A word about captures makes no sense.
    """
    terms = tuple(term for term in selection.terms if term.field != "capture")
    about = tuple(term for term in selection.terms if term.field == "capture")
    for term in about:
        for value in term.values:
            fits("", value)  # refuses what no capture could be compared with
    if not selection.finding:
        return Selected(captures=selection.captures, terms=terms, capture_terms=about)
    capture, flow_ids, gaps = _flows_of(database, selection.finding)
    if selection.captures and capture not in selection.captures:
        flow_ids = ()
    return Selected(
        captures=(capture,), terms=terms, capture_terms=about, flow_ids=flow_ids, gaps=gaps
    )


def _flows_of(database: Database, finding: str) -> tuple[str, tuple[int, ...], tuple[Gap, ...]]:
    one, held = schema.findings, schema.captures
    query = (
        sa.select(one.c.capture, one.c.analysis_id, one.c.current, one.c.document)
        .join(held, held.c.sha256 == one.c.capture)
        .where(one.c.id == finding, held.c.deleted.is_(False))
    )
    with database.read() as connection:
        row = connection.execute(query).first()
    if row is None:
        raise NotFoundError("finding", finding, hint="`GET /v1/findings` lists them")
    capture, analysis_id, current, document = row
    if not current:
        reason = f"the latest analysis of its capture no longer has {finding}"
        gap = Gap(capture=capture, analysis_id=analysis_id, table="flows", reason=reason)
        return capture, (), (gap,)
    numbers = document.get("flow_ids", []) if isinstance(document, dict) else []
    return capture, tuple(n for n in numbers if isinstance(n, int)), ()


def moment_ns(text: str, name: str) -> int:
    """The first nanosecond of a time as the filter language writes it.

    Args:
        text: The time.
        name: What it is called, for the message.

    Raises:
        UsageError: It is none.
    """
    with _said_of(name):
        return moment(text, Value(text=text))[0]


@contextmanager
def _said_of(name: str) -> Iterator[None]:
    """Makes an error about a filter one about the value that was given by itself."""
    try:
        yield
    except FilterError as error:
        place = f" at character {error.position}" if error.position > 1 else ""
        raise UsageError(f"cannot read {name}{place}: {error.problem}", hint=error.hint) from error
