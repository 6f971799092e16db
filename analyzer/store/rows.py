"""Database rows as the records they stand for, where more than copying is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analyzer.store.records import StoredFinding, TriageStatus, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping


def finding_of(row: Mapping[str, Any]) -> StoredFinding:
    """A row of `findings`; whether a suppression hides it is not known here."""
    return StoredFinding(
        id=row["id"],
        sequence=row["sequence"],
        version=row["version"],
        capture=row["capture"],
        analysis_id=row["analysis_id"],
        current=row["current"],
        document=row["document"],
        status=TriageStatus(row["status"]),
        verdict=Verdict(row["verdict"]),
        assignee=row["assignee"],
        tags=tuple(row["tags"] or ()),
        created_ns=row["created_ns"],
        updated_ns=row["updated_ns"],
    )
