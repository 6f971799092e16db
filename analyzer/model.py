"""The nouns of Outgate: findings, their evidence, and the report that holds them.

Everything here is frozen and does no input or output. Times are integers of nanoseconds since
1970-01-01 UTC and become RFC 3339 text only in the `to_dict` methods. `Finding.to_dict` follows
contract `outgate/finding/1`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from analyzer.times import parse_rfc3339, rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_EVIDENCE_FRAMES = 64
"""Frame numbers kept for one reason; the finding's schema names the same bound."""


class Severity(StrEnum):
    """How bad a finding is if it is true, mildest first."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info up to 4 for critical."""
        return list(Severity).index(self)


class Category(StrEnum):
    """What a finding is about."""

    MINING = "mining"
    REVERSE_TUNNEL = "reverse_tunnel"
    TUNNEL = "tunnel"
    VPN = "vpn"
    SCAN = "scan"
    BEACON = "beacon"
    EXFILTRATION = "exfiltration"
    POLICY = "policy"


class CoverageStatus(StrEnum):
    """What became of a detector in one analysis."""

    RAN = "ran"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureRef:
    """Which capture: its path as the user gave it and the SHA-256 of the file as stored.

    `sha256` is empty for several files joined into one stream; `paths` then names all of them.
    """

    path: str
    sha256: str
    paths: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The `capture` object of a finding; an unknown hash is left out."""
        out: dict[str, Any] = {"path": self.path}
        if self.sha256:
            out["sha256"] = self.sha256
        if len(self.paths) > 1:
            out["paths"] = list(self.paths)
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CaptureRef:
        """The reverse of `to_dict`."""
        return cls(
            path=data["path"], sha256=data.get("sha256", ""), paths=tuple(data.get("paths", ()))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRef:
    """The two ends of a conversation; `src` is the initiator where the capture shows it."""

    src_ip: str
    src_port: int | None
    dst_ip: str
    dst_port: int | None
    transport: str
    community_id: str | None

    @property
    def src(self) -> str:
        """The initiator as `address:port`."""
        return endpoint(self.src_ip, self.src_port)

    @property
    def dst(self) -> str:
        """The responder as `address:port`."""
        return endpoint(self.dst_ip, self.dst_port)

    def to_dict(self) -> dict[str, Any]:
        """The `flow` object of a finding."""
        return {
            "src_ip": self.src_ip,
            "src_port": self.src_port,
            "dst_ip": self.dst_ip,
            "dst_port": self.dst_port,
            "transport": self.transport,
            "community_id": self.community_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One reason for (or, with a negative weight, against) a finding.

    `weight` is what it adds in natural-log odds, already rounded to two decimals.
    `packets` are frame numbers, ascending, as Wireshark counts them.
    """

    kind: str
    summary: str
    weight: float
    signature: str | None = None
    packets: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """One entry of a finding's `evidence`."""
        return {
            "kind": self.kind,
            "summary": self.summary,
            "weight": self.weight,
            "signature": self.signature,
            "packets": list(self.packets),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Evidence:
        """The reverse of `to_dict`."""
        return cls(
            kind=data["kind"],
            summary=data["summary"],
            weight=data["weight"],
            signature=data.get("signature"),
            packets=tuple(data.get("packets", ())),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One conclusion about one conversation, or a group of them, that an analyst can act on.

    Raises:
        ValueError: There is no evidence, or a bound of the contract is broken.
    """

    id: str
    detector: str
    detector_version: int
    category: Category
    title: str
    severity: Severity
    confidence: float
    first_ns: int
    last_ns: int
    resolution_ns: int
    flow: FlowRef
    evidence: tuple[Evidence, ...]
    attack: tuple[str, ...]
    capture: CaptureRef | None
    flows: int = 1
    flow_ids: tuple[int, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    not_visible: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.evidence:
            raise ValueError(f"finding {self.id} of {self.detector} has no evidence")
        if not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"finding {self.id}: confidence {self.confidence} is outside 0 to 1")
        if self.flows < 1:
            raise ValueError(f"finding {self.id}: stands on {self.flows} flows, needs at least 1")

    @property
    def frames(self) -> tuple[int, ...]:
        """Every frame number the evidence names, ascending."""
        return tuple(sorted({number for reason in self.evidence for number in reason.packets}))

    @property
    def evidence_available(self) -> bool:
        """Whether there are packets to look at; findings on flow records have none."""
        return self.capture is not None and bool(self.frames)

    def to_dict(self) -> dict[str, Any]:
        """The finding as contract `outgate/finding/1` and its additional fields."""
        return {
            "id": self.id,
            "detector": self.detector,
            "detector_version": self.detector_version,
            "category": str(self.category),
            "title": self.title,
            "severity": str(self.severity),
            "confidence": self.confidence,
            "first_seen": rfc3339(self.first_ns, self.resolution_ns),
            "last_seen": rfc3339(self.last_ns, self.resolution_ns),
            "flow": self.flow.to_dict(),
            "flows": self.flows,
            "flow_ids": list(self.flow_ids),
            "evidence": [reason.to_dict() for reason in self.evidence],
            "evidence_available": self.evidence_available,
            "attack": list(self.attack),
            "attributes": dict(self.attributes),
            "not_visible": list(self.not_visible),
            "next_steps": list(self.next_steps),
            "capture": self.capture.to_dict() if self.capture else None,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Finding:
        """The reverse of `to_dict`, for reports read back from the state folder.

        Raises:
            KeyError, TypeError, ValueError: The data was not written by `to_dict`.
        """
        first_ns, resolution_ns = parse_rfc3339(data["first_seen"])
        capture = data.get("capture")
        return cls(
            id=data["id"],
            detector=data["detector"],
            detector_version=data["detector_version"],
            category=Category(data["category"]),
            title=data["title"],
            severity=Severity(data["severity"]),
            confidence=data["confidence"],
            first_ns=first_ns,
            last_ns=parse_rfc3339(data["last_seen"])[0],
            resolution_ns=resolution_ns,
            flow=FlowRef(**data["flow"]),
            flows=data["flows"],
            flow_ids=tuple(data["flow_ids"]),
            evidence=tuple(Evidence.from_dict(item) for item in data["evidence"]),
            attack=tuple(data["attack"]),
            attributes=dict(data["attributes"]),
            not_visible=tuple(data["not_visible"]),
            next_steps=tuple(data["next_steps"]),
            capture=CaptureRef.from_dict(capture) if capture else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Whether one detector could judge this capture, on how many flows, and if not, why."""

    detector: str
    title: str
    status: CoverageStatus
    reason: str = ""
    judged_flows: int = 0
    findings: int = 0

    def to_dict(self) -> dict[str, Any]:
        """One entry of a report's `coverage`."""
        return {
            "detector": self.detector,
            "title": self.title,
            "status": str(self.status),
            "reason": self.reason,
            "judged_flows": self.judged_flows,
            "findings": self.findings,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step from frames to findings: what came through, and what was left behind and why."""

    name: str
    count: int
    dropped: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """One entry of a report's `funnel`."""
        return {"name": self.name, "count": self.count, "dropped": dict(self.dropped)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What a capture holds and how good it is.

    Sizes are bytes. `grade` is `good`, `fair`, `poor` or `empty`; `notes` are the sentences that
    explain it, the gravest first.
    """

    grade: str
    notes: tuple[str, ...]
    not_judged: tuple[str, ...]
    format: str
    compression: str
    link_types: tuple[str, ...]
    file_bytes: int
    frames: int
    captured_bytes: int
    wire_bytes: int
    first_ns: int
    last_ns: int
    resolution_ns: int
    flows: int
    truncated_tail: bool
    issue_counts: Mapping[str, int]

    @property
    def span_ns(self) -> int:
        """From the first frame to the last."""
        return max(0, self.last_ns - self.first_ns)

    def to_dict(self) -> dict[str, Any]:
        """The `quality` object of a report."""
        seen = self.frames > 0
        return {
            "grade": self.grade,
            "notes": list(self.notes),
            "not_judged": list(self.not_judged),
            "format": self.format,
            "compression": self.compression,
            "link_types": list(self.link_types),
            "file_bytes": self.file_bytes,
            "frames": self.frames,
            "captured_bytes": self.captured_bytes,
            "wire_bytes": self.wire_bytes,
            "first_seen": rfc3339(self.first_ns, self.resolution_ns) if seen else None,
            "last_seen": rfc3339(self.last_ns, self.resolution_ns) if seen else None,
            "flows": self.flows,
            "truncated_tail": self.truncated_tail,
            "issue_counts": dict(self.issue_counts),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything one analysis of one capture has to say; findings worst first."""

    capture: CaptureRef
    findings: tuple[Finding, ...]
    coverage: tuple[Coverage, ...]
    quality: Quality
    funnel: tuple[Stage, ...]
    tool_version: str
    ruleset_version: str

    def to_dict(self) -> dict[str, Any]:
        """The report as `--format json` prints it."""
        return {
            "capture": self.capture.to_dict(),
            "findings": [finding.to_dict() for finding in self.findings],
            "coverage": [entry.to_dict() for entry in self.coverage],
            "quality": self.quality.to_dict(),
            "funnel": [stage.to_dict() for stage in self.funnel],
            "tool_version": self.tool_version,
            "ruleset_version": self.ruleset_version,
        }


def endpoint(address: str, port: int | None) -> str:
    """An address with its port, IPv6 in brackets (RFC 3986 §3.2.2)."""
    if port is None:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
