"""The findings that count: of the latest analyses, of captures that are here, not suppressed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer.model import Severity
from analyzer.store import schema
from analyzer.store.rows import finding_of
from analyzer.store.suppressions import Shades
from analyzer.store.tables.files import Gap

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from analyzer.store.database import Database

MAX_FINDINGS = 50_000
"""Findings that one answer counts, the gravest first; how many are left out is said."""

SEVERITIES = tuple(Severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFinding:
    """What is needed of a finding here.

    Attributes:
        document: The finding itself, or None where it was not asked for.
    """

    id: str
    capture: str
    severity: Severity
    confidence: float
    detector: str
    category: str
    title: str
    status: str
    verdict: str
    src_ip: str
    dst_ip: str
    first_ns: int
    last_ns: int
    document: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Findings, gravest first, and what is said of those left out."""

    findings: tuple[KnownFinding, ...]
    gaps: tuple[Gap, ...] = ()


def known_findings(
    database: Database,
    *,
    captures: Iterable[str] = (),
    finding: str = "",
    hosts: Iterable[str] = (),
    about_pools: bool = False,
    with_documents: bool = False,
) -> Known:
    """Findings by capture, id and end; what is not named does not matter.

    Args:
        database: The store's.
        captures: SHA-256 of captures.
        finding: The id of one finding.
        hosts: Addresses, any of which is an end of the finding.
        about_pools: Only what names a pool or a wallet.
        with_documents: Whether the findings themselves are needed.

    Raises:
        StoreUnavailable: The database refuses.
    """
    one, held = schema.findings, schema.captures
    conditions: list[sa.ColumnElement[bool]] = [one.c.current.is_(True), held.c.deleted.is_(False)]
    if named := tuple(captures):
        conditions.append(one.c.capture.in_(named))
    if finding:
        conditions.append(one.c.id == finding)
    if ends := tuple(hosts):
        conditions.append(sa.or_(one.c.src_ip.in_(ends), one.c.dst_ip.in_(ends)))
    if about_pools:
        conditions.append(sa.or_(one.c.pool != "", one.c.wallet != ""))
    found: list[KnownFinding] = []
    with database.read() as connection:
        shades = Shades.load(connection)
        # Suppressions look into the finding, so its document is read only if there are any.
        whole = with_documents or bool(shades.matchers)
        columns = [column for column in one.c if whole or column.name not in {"document", "tags"}]
        query = (
            sa.select(*columns)
            .join(held, held.c.sha256 == one.c.capture)
            .where(*conditions)
            .order_by(one.c.severity.desc(), one.c.confidence.desc(), one.c.id)
            .limit(MAX_FINDINGS + 1)
        )
        rows = connection.execution_options(yield_per=500).execute(query).mappings()
        for seen, mapping in enumerate(rows):
            row = dict(mapping)
            if seen == MAX_FINDINGS:
                reason = f"findings after the {MAX_FINDINGS} gravest are left out"
                gap = Gap(capture="", analysis_id="", table="findings", reason=reason)
                return Known(findings=tuple(found), gaps=(gap,))
            if shades.matchers and shades.shade(finding_of(row)).suppressed_by:
                continue
            found.append(_known(row, with_document=with_documents))
    return Known(findings=tuple(found))


def by_severity(ranks: Iterable[Severity]) -> dict[str, int]:
    """How many of each severity, the gravest first; none are 0."""
    counts = {str(severity): 0 for severity in reversed(SEVERITIES)}
    for severity in ranks:
        counts[str(severity)] += 1
    return counts


def _known(row: Mapping[str, Any], *, with_document: bool) -> KnownFinding:
    return KnownFinding(
        id=row["id"],
        capture=row["capture"],
        severity=SEVERITIES[row["severity"]],
        confidence=row["confidence"],
        detector=row["detector"],
        category=row["category"],
        title=row["title"],
        status=row["status"],
        verdict=row["verdict"],
        src_ip=row["src_ip"],
        dst_ip=row["dst_ip"],
        first_ns=row["first_ns"],
        last_ns=row["last_ns"],
        document=row["document"] if with_document else None,
    )
