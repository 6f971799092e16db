"""What a detector is, what it is given, and how it makes a finding."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from analyzer.model import CaptureRef, Category, Finding, FlowRef, Severity

if TYPE_CHECKING:
    from analyzer.detectors.evidence import Case
    from analyzer.observations import Flow, Observations
    from analyzer.ruleset import RuleSet
    from analyzer.settings import AnalysisSettings

ID_HEX_DIGITS = 16
"""64 bits: a store of a hundred million findings holds two of one id once in four thousand."""

MAX_FLOW_IDS = 64
"""Flow ids listed in one finding; `flows` has the full count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorMeta:
    """What the engine and a reader need to know about a detector.

    Attributes:
        id: As in `mining.stratum`.
        version: Raised whenever the same input may give another finding; part of the finding's id.
        title: What it looks for, as a noun phrase.
        category: What its findings are about.
        needs: Tables without which it has nothing to judge; all of them must have rows.
        attack: ATT&CK technique ids its findings carry.
    """

    id: str
    version: int
    title: str
    category: Category
    needs: frozenset[str]
    attack: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What every detector may use besides the observations."""

    settings: AnalysisSettings
    ruleset: RuleSet


class Detector(Protocol):
    """Judges the facts of one capture.

    A detector is a pure function with a label on it: it reads tables, never files, keeps no state
    between runs, and yields findings in a stable order. Odd data yields less, never an exception.
    """

    meta: ClassVar[DetectorMeta]

    def run(self, observations: Observations, context: Context) -> Iterator[Finding]:
        """Yields what it found in one capture."""
        ...


def make_finding(
    meta: DetectorMeta,
    observations: Observations,
    case: Case,
    flows: Sequence[Flow],
    *,
    title: str,
    severity: Severity,
    attributes: Mapping[str, Any] | None = None,
    not_visible: Iterable[str] = (),
    next_steps: Iterable[str] = (),
    category: Category | None = None,
    first_ns: int | None = None,
    last_ns: int | None = None,
) -> Finding:
    """A finding on one or more flows, the first of them its subject.

    Args:
        meta: The detector's own.
        observations: What it judged.
        case: The reasons; they give the confidence.
        flows: What the finding is about.
        title: One line an analyst can read aloud.
        severity: How bad it is if it is true.
        attributes: What was extracted; empty values (None, "", [], {}) are left out.
        not_visible: What the capture cannot show, as clauses.
        next_steps: What an analyst could do, as clauses.
        category: Where it differs from the detector's own.
        first_ns: When it was first seen; the start of the flows if not given.
        last_ns: When it was last seen; the end of the flows if not given.

    Raises:
        ValueError: There is no flow.
    """
    if not flows:
        raise ValueError(f"{meta.id} made a finding about no flow")
    first = min(flow.start_ns for flow in flows) if first_ns is None else first_ns
    last = max(flow.end_ns for flow in flows) if last_ns is None else last_ns
    refs = [flow.ref for flow in flows]
    return Finding(
        id=finding_id(meta, observations.capture, refs, first),
        detector=meta.id,
        detector_version=meta.version,
        category=category or meta.category,
        title=title,
        severity=severity,
        confidence=case.confidence,
        first_ns=first,
        last_ns=last,
        resolution_ns=observations.resolution_ns,
        flow=refs[0],
        flows=len(flows),
        flow_ids=tuple(flow.flow_id for flow in flows[:MAX_FLOW_IDS]),
        evidence=case.evidence,
        attack=meta.attack,
        attributes=plain_attributes(attributes or {}),
        not_visible=tuple(not_visible),
        next_steps=tuple(next_steps),
        capture=observations.capture,
    )


def finding_id(
    meta: DetectorMeta, capture: CaptureRef, flows: Iterable[FlowRef], first_ns: int
) -> str:
    """The same detector version on the same bytes gives the same id, wherever the file lies."""
    digest = hashlib.sha256(f"{meta.id}/{meta.version}/{capture.sha256}/{first_ns}".encode())
    tuples = sorted(f"{flow.transport} {flow.src} {flow.dst}" for flow in flows)
    digest.update("\n".join(tuples).encode())
    return f"f-{digest.hexdigest()[:ID_HEX_DIGITS]}"


def plain_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that say something, as values JSON knows."""
    plain = {name: _plain(value) for name, value in attributes.items()}
    return {name: value for name, value in plain.items() if value not in (None, "", [], {})}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(item) for item in value), key=str)
    if value is None or isinstance(value, (str, bool, int, float)):
        return _finite(value)
    item = getattr(value, "item", None)
    return _finite(item()) if callable(item) else str(value)


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, str) else value
