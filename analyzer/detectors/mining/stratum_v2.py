"""Finds Stratum V2: under Noise by the sizes and turns of its handshake, or in clear.

The encrypted form has no magic number and no name. It begins with 64 bytes of a key, the server
answers with exactly 234, the client sets the connection up and gets exactly 44 back (sv2-spec
04-Protocol-Security and 05-Mining-Protocol). Each step alone is weak; all of them in order are not
met elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from analyzer.detectors.base import Context, DetectorMeta, make_finding
from analyzer.detectors.evidence import Case
from analyzer.detectors.sightings import rows_with
from analyzer.model import Category, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from analyzer.model import Finding
    from analyzer.observations import Flow, Observations
    from analyzer.ruleset import PoolMatch, RuleSet

PRIOR = -4.6
"""One in a hundred: of flows that begin with 64 uniform bytes and go on in turns. Other Noise
protocols, obfuscated proxies and Bitcoin's own transport (BIP 324) begin so too."""
ACTS = 5.2
"""64 bytes, then exactly 234. BIP 324 adds 0 to 4095 bytes of garbage to its keys of 64, so both
sizes together come once in millions of its handshakes; of protocols that are not known here, one in
two hundred is taken to have these sizes."""
ACTS_OLD = 4.6
"""170 is the length an older text of the specification gives; fewer programs have it."""
SETUP_SENT = 0.2
"""The set-up may have almost any size, so it tells little."""
SETUP_ANSWERED = 4.4
"""Exactly 44 bytes back, of all sizes: one in eighty, if answers are spread over small sizes."""
FRAMES_FIT = 2.0
FRAMES_MISFIT = -1.5
SHARES_ANSWERED = 1.0
LISTED_POOL = 2.0
USUAL_PORT = 0.5
BITCOIN_PORT = -2.0
"""Where a BIP 324 handshake is to be expected."""
PLAIN_SETUP = 5.6
"""A whole set-up message in clear: type, length, versions, flags and five strings all fit. It is
one message of one side, so it stays an attempt until the server answers."""
PLAIN_ACCEPTED = 4.4
PLAIN_REFUSED = 1.0

FRAMES_MIN = 3
"""Frames in the steady state below which their sizes say nothing."""
FIT_SHARE = 0.6
MISFIT_SHARE = 0.2
USUAL_PORTS = frozenset({34250, 34254, 34255, 34264, 34265})
BITCOIN_PORTS = frozenset({8333, 18333, 18444, 38333, 48333})
CONFIRMED = 0.9
"""Confidence from which the title says that a host mines."""

ACT_TWO = 234
ACT_TWO_OLD = 170
HANDSHAKE_SEGMENTS = 8
"""Segments shown as the handshake: four messages, each cut in two at most."""
MAX_COUNT_DIGITS = 15
FRAME_WORDS = {
    "submit": "shares",
    "success": "answers to shares",
    "job": "jobs",
    "prevhash": "new blocks",
    "target": "targets",
}
ACCEPTED_PREFIX = bytes.fromhex("0000 01 060000")
"""SetupConnection.Success: no extension, type 1, length 6."""
REFUSED_PREFIX = bytes.fromhex("0000 02")
"""SetupConnection.Error: no extension, type 2."""

FRAMES_LABEL = "stratum_v2_frames"
LABEL_FORMS = {
    "stratum_v2_handshake": "handshake",
    "stratum_v2_partial": "partial",
    "stratum_v2_plain": "plain",
}
LABELS = frozenset({*LABEL_FORMS, FRAMES_LABEL})
_ENDPOINT = re.compile(r"vendor=(?P<vendor>.*) endpoint=(?P<host>.*):(?P<port>\d{1,5})", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What one flow shows of Stratum V2.

    Attributes:
        flow: The flow.
        form: `handshake` (whole), `partial` or `plain`.
        detail: The core's words for it.
        frame: Where it was complete.
        counts: Frames of the steady state by kind.
        last_frame: The last of them; 0 if there are none.
        steps: Segments of the handshake.
        name: The server's name, "" if none is known.
        pool: The pool it belongs to, if it is listed.
    """

    flow: Flow
    form: str
    detail: str
    frame: int
    counts: Mapping[str, int] = field(default_factory=dict)
    last_frame: int = 0
    steps: tuple[Mapping[str, Any], ...] = ()
    name: str = ""
    pool: PoolMatch | None = None

    @property
    def place(self) -> str:
        """The pool's end, by name if one is known."""
        return f"{self.name or self.flow.dst_ip}:{self.flow.dst_port}"

    @property
    def is_accepted(self) -> bool:
        """The server let the client in, as far as the handshake shows it."""
        if self.form == "plain":
            return self.flow.prefix_down.startswith(ACCEPTED_PREFIX)
        return self.form == "handshake"

    @property
    def is_refused(self) -> bool:
        """The server said no, in clear."""
        return self.form == "plain" and self.flow.prefix_down.startswith(REFUSED_PREFIX)


@dataclass(frozen=True, slots=True)
class StratumV2:
    """Finds Stratum V2."""

    meta: ClassVar[DetectorMeta] = DetectorMeta(
        id="mining.stratum_v2",
        version=1,
        title="mining in Stratum V2",
        category=Category.MINING,
        needs=frozenset({"labels"}),
        attack=("T1496.001",),
    )

    def run(self, observations: Observations, context: Context) -> Iterator[Finding]:
        """Yields one finding for each flow that speaks, or begins to speak, Stratum V2."""
        for session in _sessions(observations, context.ruleset):
            case = _case(session)
            yield make_finding(
                self.meta,
                observations,
                case,
                [session.flow],
                title=_title(session, case.confidence),
                severity=_severity(session, case.confidence),
                attributes=_attributes(session, context.ruleset),
                not_visible=_not_visible(session),
                next_steps=_next_steps(session),
            )


def _sessions(observations: Observations, ruleset: RuleSet) -> Iterator[Session]:
    labels: dict[int, dict[str, dict[str, Any]]] = {}
    for row in rows_with(observations, "labels", "name", lambda name: name in LABELS):
        labels.setdefault(row["flow_id"], {}).setdefault(row["name"], row)
    for flow_id, named in sorted(labels.items()):
        opening = next((row for name, row in named.items() if name in LABEL_FORMS), None)
        if opening is None:
            continue
        flow = observations.flow(flow_id)
        frames = named.get(FRAMES_LABEL)
        segments = observations.rows("segments", flow_id)[:HANDSHAKE_SEGMENTS]
        name, pool = _pool(observations, ruleset, flow)
        yield Session(
            flow=flow,
            form=LABEL_FORMS[opening["name"]],
            detail=opening["detail"],
            frame=opening["frame"],
            counts=_counts(frames["detail"]) if frames else {},
            last_frame=frames["frame"] if frames else 0,
            steps=tuple(row for row in segments if row["frame"] <= opening["frame"]),
            name=name,
            pool=pool,
        )


def _pool(observations: Observations, ruleset: RuleSet, flow: Flow) -> tuple[str, PoolMatch | None]:
    """The best name of the server, and the pool it belongs to."""
    names = [name.name for name in observations.names_of(flow)]
    for name in names:
        if match := ruleset.match_name(name):
            return name, match
    return (names[0] if names else ""), ruleset.match_address(flow.dst_ip)


def _counts(detail: str) -> dict[str, int]:
    """`submit=32 success=32 …` as numbers."""
    pairs = (word.partition("=") for word in detail.split())
    return {
        name: int(number)
        for name, _, number in pairs
        if number.isdecimal() and len(number) <= MAX_COUNT_DIGITS
    }


def _case(session: Session) -> Case:
    case = Case(
        prior=PRIOR,
        prior_summary="before any reason: one in a hundred flows that begin so is Stratum V2",
    )
    if session.form == "plain":
        _add_plain(case, session)
    else:
        _add_handshake(case, session)
        _add_frames(case, session)
    _add_server(case, session)
    return case


def _add_handshake(case: Case, session: Session) -> None:
    frames = [row["frame"] for row in session.steps] or [session.frame]
    answer = _answer_bytes(session)
    text = f"the client opens with 64 bytes of a key, the server answers with exactly {answer}"
    case.add("protocol", text, ACTS_OLD if answer == ACT_TWO_OLD else ACTS, frames=frames[:2])
    if session.form == "handshake":
        text = "the client sets the connection up and is answered with exactly 44 bytes"
        case.add("protocol", text, SETUP_SENT + SETUP_ANSWERED, frames=[*frames[2:], session.frame])
    elif session.detail.endswith("setup"):
        text = "the client goes on with what can be the set-up of the connection"
        case.add("protocol", text, SETUP_SENT, frames=frames[2:3])


def _answer_bytes(session: Session) -> int:
    """What the server's first turn has, which the core found to be one of the two lengths."""
    turn: list[int] = []
    for row in session.steps:
        if row["up"] and turn:
            break
        if not row["up"]:
            turn.append(row["size"])
    return ACT_TWO_OLD if sum(turn) == ACT_TWO_OLD else ACT_TWO


def _add_frames(case: Case, session: Session) -> None:
    counts = session.counts
    total = sum(counts.values())
    fitting = total - counts.get("other", 0)
    if total < FRAMES_MIN:
        return
    named = ", ".join(
        f"{counts[kind]} {words}" for kind, words in FRAME_WORDS.items() if counts.get(kind)
    )
    if fitting >= FIT_SHARE * total:
        text = f"{fitting} of {total} later messages have sizes of mining frames: {named}"
        case.add("size", text, FRAMES_FIT, frames=[session.last_frame])
    elif fitting <= MISFIT_SHARE * total:
        text = f"only {fitting} of {total} later messages have sizes of mining frames"
        case.add("size", text, FRAMES_MISFIT, frames=[session.last_frame])
    if counts.get("submit") and counts.get("success"):
        text = "messages of a share's size go up, and of the size of its answer come down"
        case.add("size", text, SHARES_ANSWERED, frames=[session.last_frame])


def _add_plain(case: Case, session: Session) -> None:
    text = f"the client introduces itself in clear: {session.detail}"
    case.add("protocol", text, PLAIN_SETUP, frames=[session.frame])
    if session.is_accepted:
        case.add("protocol", "the server answers that the connection is set up", PLAIN_ACCEPTED)
    elif session.is_refused:
        case.add("protocol", "the server answers that it refuses the connection", PLAIN_REFUSED)


def _add_server(case: Case, session: Session) -> None:
    port = session.flow.dst_port
    if session.pool:
        text = f"{session.name or session.flow.dst_ip} belongs to {session.pool.pool.operator}"
        case.add("intel", text, LISTED_POOL, signature=session.pool.pool.id)
    if port in USUAL_PORTS:
        case.add("port", f"port {port} is one that Stratum V2 uses by default", USUAL_PORT)
    if port in BITCOIN_PORTS and session.form != "plain":
        text = f"on port {port} Bitcoin nodes talk to each other, with a similar handshake"
        case.add("port", text, BITCOIN_PORT)


def _severity(session: Session, confidence: float) -> Severity:
    if confidence >= CONFIRMED and session.is_accepted:
        return Severity.HIGH
    return Severity.MEDIUM


def _title(session: Session, confidence: float) -> str:
    host, place = session.flow.src_ip, session.place
    how = "in clear" if session.form == "plain" else "encrypted"
    if session.is_refused:
        return f"{host} tries to mine at {place} in Stratum V2, {how}, and was refused"
    if confidence < CONFIRMED or not session.is_accepted:
        return f"{host} may be mining at {place}: it begins like Stratum V2, {how}"
    shares = session.counts.get("submit", 0)
    sent = f", {shares} shares by their size" if shares else ""
    return f"{host} mines at {place} in Stratum V2, {how}{sent}"


def _attributes(session: Session, ruleset: RuleSet) -> dict[str, object]:
    flow, counts, pool = session.flow, session.counts, session.pool
    told = _ENDPOINT.fullmatch(session.detail) if session.form == "plain" else None
    return {
        "dialect": "stratum_v2",
        "tier": "confirmed" if session.is_accepted else "attempt",
        "encrypted": session.form != "plain",
        "miner": flow.src_ip,
        "pool": {
            "ip": flow.dst_ip,
            "port": flow.dst_port,
            "name": session.name,
            "operator": pool.pool.operator if pool else "",
        },
        "coin": ruleset.coin_of(pool.pool, session.name, flow.dst_port) if pool else "",
        "pool_as_named_by_miner": f"{told['host']}:{told['port']}" if told else "",
        "agent": told["vendor"] if told else "",
        "handshake": session.detail if session.form != "plain" else "",
        "shares_submitted": counts.get("submit"),
        "share_answers": counts.get("success"),
        "jobs": counts.get("job"),
        "new_blocks": counts.get("prevhash"),
    }


def _not_visible(session: Session) -> list[str]:
    if session.form == "plain":
        hidden = ["shares and jobs: messages after the set-up are not decoded"]
    else:
        hidden = [
            "wallet, worker, coin and difficulty: they are encrypted",
            "the exact number of shares: they are counted by size, an answer may stand for several",
            "Bitcoin's encrypted transport (BIP 324) begins with 64 bytes too, and some garbage",
        ]
    if session.form == "partial":
        hidden.append("the rest of the handshake")
    if session.flow.up_gap or session.flow.down_gap:
        missing = session.flow.up_gap + session.flow.down_gap
        hidden.append(f"{missing} bytes of the conversation were not captured")
    return hidden


def _next_steps(session: Session) -> list[str]:
    flow = session.flow
    return [
        f"find which job or process on {flow.src_ip} held this connection at that time",
        f"look whether {flow.src_ip} runs a Bitcoin node, which would be another explanation"
        if session.form == "partial"
        else f"look for other hosts that connect to {flow.dst_ip}",
        f"block {flow.dst_ip}:{flow.dst_port} once the evidence is kept",
    ]
