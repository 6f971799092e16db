"""What is answered about flows, hosts, pools, wallets and the timeline."""

from __future__ import annotations

from pydantic import Field

from analyzer.store.tables import Gap
from api.schemas import Shape

Cell = str | int | float | bool | None


class GapOut(Shape):
    """Something the answer does without, and why."""

    capture: str = Field(description="SHA-256, or empty where several are meant")
    analysis_id: str
    table: str
    reason: str


class TablePage(Shape):
    """Where a list goes on."""

    next_cursor: str = Field(description="give it as `cursor` for what follows; empty at the end")
    has_more: bool
    shown: int
    total: int = Field(description="rows on all pages")


class Answer(Shape):
    """What every answer from the tables says."""

    not_read: list[GapOut] = Field(description="tables the answer does without; at most 100")
    not_read_total: int


class FlowsOut(Answer):
    """One page of flows: cells by column; integers beyond 2^53 as text."""

    data: list[dict[str, Cell]]
    page: TablePage


class SumsOut(Answer):
    """Groups of flows, cells by column or figure."""

    data: list[dict[str, Cell]]
    shown: int
    total_groups: int
    total_flows: int


class NameOut(Shape):
    """A name and where it was seen: dns, sni or host."""

    name: str
    source: str


class HostOut(Shape):
    """One address; bytes are those it sent and received."""

    address: str
    inside: bool
    flows: int
    opened: int = Field(description="flows it initiated")
    bytes_out: int
    bytes_in: int
    peers: int
    captures: int
    first_seen: str
    last_seen: str
    names: list[NameOut] = Field(description="the latest first, at most 8")
    findings: dict[str, int] = Field(description="by severity, suppressed ones left out")


class HostsOut(Answer):
    """One page of hosts."""

    data: list[HostOut]
    page: TablePage


class PartOut(Shape):
    """What a host exchanged with a peer, on a port, or in a capture."""

    label: str
    opened: bool
    flows: int
    bytes_out: int
    bytes_in: int
    first_seen: str
    last_seen: str


class HostFindingOut(Shape):
    """A finding about a host."""

    id: str
    title: str
    severity: str
    confidence: float
    status: str
    capture: str
    first_seen: str
    last_seen: str


class HostDetailOut(Answer):
    """One host; at most 50 of each list, the largest or gravest first."""

    host: HostOut
    peers: list[PartOut]
    ports: list[PartOut] = Field(description="`opened`: ports it went to; else ports it serves")
    total_ports: int
    captures: list[PartOut]
    findings: list[HostFindingOut] = Field(description="empty without the scope findings:read")
    total_findings: int


class SharesOut(Shape):
    """Shares that were counted; each flow once."""

    submitted: int
    accepted: int
    rejected: int


class MiningOut(Shape):
    """Everything that was seen with one pool or wallet; at most 50 of each list."""

    addresses: list[str]
    operators: list[str]
    coins: list[str]
    dialects: list[str]
    miners: list[str]
    workers: list[str]
    agents: list[str]
    captures: list[str]
    finding_ids: list[str]
    findings: dict[str, int] = Field(description="by severity")
    counts: dict[str, int] = Field(description="how many there are of each list")
    shares: SharesOut
    first_seen: str
    last_seen: str


class PoolOut(MiningOut):
    """One pool, by its name or else its address."""

    pool: str
    wallets: list[str]


class WalletOut(MiningOut):
    """One wallet, or login."""

    id: str = Field(description="a digest that names the wallet and does not give it away")
    wallet: str
    pools: list[str]


class PoolsOut(Answer):
    """One page of pools."""

    data: list[PoolOut]
    page: TablePage


class WalletsOut(Answer):
    """One page of wallets."""

    data: list[WalletOut]
    page: TablePage


class SliceOut(Shape):
    """One slice of time; a flow's bytes are spread evenly over the time it lasts."""

    start: str
    up_bytes: int
    down_bytes: int
    flows: int = Field(description="that begin in it")
    active: int = Field(description="that begin, end or go on in it")
    findings: dict[str, int] = Field(description="first seen in it, by severity")


class TimelineOut(Answer):
    """Slices of one length without a gap, at most 2000."""

    bucket_s: float
    data: list[SliceOut]
    total_flows: int
    total_findings: int


MAX_GAPS_SHOWN = 100


def gaps_out(gaps: tuple[Gap, ...]) -> list[GapOut]:
    """Gaps as JSON, each once."""
    shown = list(dict.fromkeys(gaps))[:MAX_GAPS_SHOWN]
    return [
        GapOut(capture=gap.capture, analysis_id=gap.analysis_id, table=gap.table, reason=gap.reason)
        for gap in shown
    ]
