"""Pools and wallets of all captures: who mines where, for whom, and where it was seen again.

What is a pool and whose a wallet is, findings say; the table `mining` counts the shares of the
flows they stand on, each flow once however many findings it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from analyzer.store.scopes import wallet_of
from analyzer.store.tables.files import Gap
from analyzer.store.tables.known import known_findings
from analyzer.store.tables.names import ROW

if TYPE_CHECKING:
    from analyzer.store.tables.engine import Binder
    from analyzer.store.tables.files import Scope
    from analyzer.store.tables.known import KnownFinding
    from analyzer.store.tables.reader import Reader

MAX_OF_FLOW = 16
"""Wallets and workers of one flow."""
MAX_TEXT_CHARS = 512
MAX_FLOWS = 200_000
"""Flows whose shares one answer counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Shares that miners handed in, and what became of them."""

    submitted: int = 0
    accepted: int = 0
    rejected: int = 0

    def __add__(self, other: Shares) -> Shares:
        return Shares(
            submitted=self.submitted + other.submitted,
            accepted=self.accepted + other.accepted,
            rejected=self.rejected + other.rejected,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One finding's part in a pool or a wallet.

    Attributes:
        flows: Shares of each of its flows, as (capture, flow).
    """

    finding: KnownFinding
    miner: str
    pool: str
    address: str
    operator: str
    wallet: str
    coin: str
    dialect: str
    workers: tuple[str, ...]
    agent: str
    flows: Mapping[tuple[str, int], Shares]


@dataclass(slots=True)
class _OfFlow:
    """What the table `mining` says of one flow."""

    wallets: list[str] = field(default_factory=list)
    workers: list[str] = field(default_factory=list)
    shares: Shares = field(default_factory=Shares)


def sightings(reader: Reader, captures: tuple[str, ...]) -> tuple[list[Sighting], tuple[Gap, ...]]:
    """What findings say of pools and wallets, with the shares of their flows.

    Raises:
        NotFoundError: A named capture is not known.
        LimitError: It takes too long or too much memory.
    """
    known = known_findings(
        reader.database, captures=captures, about_pools=True, with_documents=True
    )
    flows = {
        (finding.capture, number) for finding in known.findings for number in _flow_ids(finding)
    }
    mined = {capture for capture, _ in flows}
    scope = reader.scope(captures, ("mining",), lambda source: source.capture in mined)
    of_flows, scope = _of_flows(reader, scope, flows)
    gaps = scope.gaps + known.gaps
    if len(flows) > MAX_FLOWS:
        reason = f"shares of more than {MAX_FLOWS} flows are not counted"
        gaps += (Gap(capture="", analysis_id="", table="mining", reason=reason),)
    found = [sighting for finding in known.findings for sighting in _of_finding(finding, of_flows)]
    return _with_names(found), gaps


def _of_flows(
    reader: Reader, scope: Scope, flows: set[tuple[str, int]]
) -> tuple[dict[tuple[str, int], _OfFlow], Scope]:
    """Wallets, workers and shares of flows, as far as their table can be read."""
    places = {source.capture: place for place, source in enumerate(scope.sources)}
    wanted = sorted(
        places[capture] * 2**32 + number for capture, number in flows if capture in places
    )[:MAX_FLOWS]
    if not wanted:
        return {}, scope

    def build(part: Scope, binder: Binder) -> str:
        numbers = f"SELECT unnest({binder.bind(wanted)}::BIGINT[])"
        own = (
            f"SELECT * FROM ({part.relation('mining', binder)}) "
            f"WHERE shape = 'valid' AND {ROW} IN ({numbers})"
        )
        submits = (
            "SELECT DISTINCT place, flow_id, method, true AS is_share FROM own "
            "WHERE kind = 'submit' AND role = 'miner'"
        )
        return (
            f"WITH own AS MATERIALIZED ({own}) SELECT place, flow_id, "
            f"{_texts('wallet')}, {_texts('worker')}, "
            "count(*) FILTER (WHERE kind = 'submit' AND role = 'miner') AS submitted, "
            f"{_answers('accepted')}, {_answers('rejected')} "
            f"FROM own LEFT JOIN ({submits}) AS submits USING (place, flow_id, method) "
            "GROUP BY place, flow_id"
        )

    found, scope = reader.table(scope, build)
    return {
        (scope.sources[row["place"]].capture, row["flow_id"]): _OfFlow(
            wallets=row["wallets"] or [],
            workers=row["workers"] or [],
            shares=Shares(
                submitted=row["submitted"], accepted=row["accepted"], rejected=row["rejected"]
            ),
        )
        for row in found.to_pylist()
    }, scope


def _texts(column: str) -> str:
    """SQL of the texts of a column of one flow, the first seen first."""
    return (
        f"list_slice(list_distinct(list(left({column}, {MAX_TEXT_CHARS}) ORDER BY frame) "
        f"FILTER (WHERE {column} <> '' AND role = 'miner')), 1, {MAX_OF_FLOW}) AS {column}s"
    )


def _answers(outcome: str) -> str:
    return (
        f"count(*) FILTER (WHERE kind = 'result' AND role = 'pool' AND outcome = '{outcome}' "
        f"AND is_share) AS {outcome}"
    )


def _of_finding(
    finding: KnownFinding, of_flows: Mapping[tuple[str, int], _OfFlow]
) -> Iterable[Sighting]:
    """What one finding says; a finding whose miner logged in with several wallets says several."""
    document = finding.document or {}
    attributes = _mapping(document.get("attributes"))
    pool = _mapping(attributes.get("pool"))
    numbers = _flow_ids(finding)
    told = {
        (finding.capture, number): of_flows[finding.capture, number]
        for number in numbers
        if (finding.capture, number) in of_flows
    }
    shares = {key: one.shares for key, one in told.items()}
    if not shares:
        number = numbers[0] if numbers else -1
        shares = {(finding.capture, number): _shares(attributes)}
    listed = attributes.get("wallets")
    logins = [wallet_of(document), *(one for item in told.values() for one in item.wallets)]
    logins += [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
    named = list(dict.fromkeys(one for one in logins if one)) or [""]
    workers = [one for item in told.values() for one in item.workers]
    ip, port = _text(pool.get("ip")), pool.get("port")
    for place, wallet in enumerate(named):
        yield Sighting(
            finding=finding,
            miner=_text(attributes.get("miner")) or _text(attributes.get("host")) or finding.src_ip,
            pool=_text(pool.get("name")).lower(),
            address=(f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}") if ip and port else ip,
            operator=_text(pool.get("operator")),
            wallet=wallet,
            coin=_text(attributes.get("coin")),
            dialect=_text(attributes.get("dialect")),
            workers=tuple(dict.fromkeys([*workers, _text(attributes.get("worker"))])),
            agent=_text(attributes.get("agent")),
            # The shares of a flow count once: for the wallet the finding is about.
            flows=shares if place == 0 else {},
        )


def _with_names(found: list[Sighting]) -> list[Sighting]:
    """Gives a pool without a name the name that its address has elsewhere."""
    known: dict[str, str] = {}
    for sighting in found:
        if sighting.pool and sighting.address:
            known.setdefault(sighting.address, sighting.pool)
    return [
        sighting if sighting.pool else replace(sighting, pool=known.get(sighting.address, ""))
        for sighting in found
    ]


def _shares(attributes: Mapping[str, Any]) -> Shares:
    counts = [attributes.get(f"shares_{name}") for name in ("submitted", "accepted", "rejected")]
    submitted, accepted, rejected = (one if isinstance(one, int) else 0 for one in counts)
    return Shares(submitted=submitted, accepted=accepted, rejected=rejected)


def _flow_ids(finding: KnownFinding) -> list[int]:
    numbers = (finding.document or {}).get("flow_ids")
    held = numbers if isinstance(numbers, list) else []
    return [one for one in held if isinstance(one, int) and 0 <= one < 2**32]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def cut(text: str) -> str:
    """Text as it is listed."""
    return text[:MAX_TEXT_CHARS]
