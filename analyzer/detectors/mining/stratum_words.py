"""What a finding of mining in clear says to people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from analyzer.detectors.mining.conversation import Conversation, Message
    from analyzer.detectors.mining.hashrate import Hashrate
    from analyzer.detectors.mining.stratum import Miner

EXCERPT_CHARS = 140
MAX_AGENT_CHARS = 40
MAX_ADDRESS_CHARS = 48
ADDRESS_HEAD, ADDRESS_TAIL = 16, 8
WORDS = {
    "subscribe": "subscribes",
    "authorize": "logs in",
    "login": "logs in",
    "submit": "submits shares",
    "get_job": "asks for work",
    "job": "hands out jobs",
    "difficulty": "sets the difficulty",
    "target": "sets the target",
    "extranonce": "sets the extranonce",
    "result": "answers",
    "hashrate": "reports its hash rate",
    "keepalive": "keeps the connection alive",
    "configure": "negotiates extensions",
    "hello": "introduces itself",
}


def title(miner: Miner) -> str:
    """One line to be read aloud: who mines what, where, and how far it came."""
    talk = miner.talk
    what = f"{miner.host} {{}} {miner.coin_name} at {miner.pool_text}{_with_agent(talk)}"
    if miner.tier == "suspect":
        named = "several stratum dialects" if len(talk.candidates) > 1 else talk.title
        return f"{miner.host} and {miner.pool_text} use words of {named}; other software may too"
    accepted, submitted = len(talk.answers("accepted")), len(talk.of_kind("submit"))
    if accepted:
        return what.format("mines") + f", {counted(accepted, 'share')} accepted"
    if miner.tier == "attempt":
        return _attempt_title(miner, what)
    if submitted:
        refused = len(talk.answers("rejected"))
        fate = "all refused" if refused >= submitted else "no acceptance seen"
        return what.format("mines") + f", {counted(submitted, 'share')} sent, {fate}"
    if talk.refusals and not talk.of_kind("job"):
        return what.format("tries to mine") + " and is refused"
    if talk.of_kind("job") or any(row["job_id"] for row in talk.pool):
        work = f"work to mine {miner.coin_name}" if miner.coin else "mining work"
        where = f"{miner.pool_text}{_with_agent(talk)}"
        return f"{miner.host} takes {work} from {where}, no share seen"
    return f"{miner.host} keeps a miner's session with {miner.pool_text}{_with_agent(talk)}"


def _attempt_title(miner: Miner, what: str) -> str:
    talk = miner.talk
    if not talk.miner:
        return what.format("is sent mining work for") + "; nothing else of it was seen"
    if talk.refusals:
        return what.format("tries to mine") + " and is refused"
    answered = miner.flow.down_payload if talk.miner_is_up else miner.flow.up_payload
    if answered:
        return what.format("tries to mine") + ", without an answer that shows mining"
    return what.format("tries to mine") + ", unanswered"


def _with_agent(talk: Conversation) -> str:
    """The software's name and version, without the platform it was built for."""
    agent = str(talk.first("agent")).split(" (")[0].strip()
    return f" with {shortened(agent, MAX_AGENT_CHARS)}" if agent else ""


def doing(rows: Iterable[Message]) -> str:
    """What one side does, in the order it began to."""
    kinds = dict.fromkeys(str(row["kind"]) for row in rows)
    return ", ".join(dict.fromkeys(WORDS[kind] for kind in kinds if kind in WORDS)) or "speaks"


def excerpt(row: Message) -> str:
    """The beginning of a message as it was sent."""
    return shortened(str(row["excerpt"]).strip(), EXCERPT_CHARS)


def shortened(text: str, limit: int) -> str:
    """The text, or its beginning and a mark."""
    return text if len(text) <= limit else f"{text[:limit]}…"


def short_address(address: str) -> str:
    """An address as people compare them: beginning and end; the attributes have all of it."""
    if len(address) <= MAX_ADDRESS_CHARS:
        return address
    return f"{address[:ADDRESS_HEAD]}…{address[-ADDRESS_TAIL:]}"


def counted(number: int, noun: str) -> str:
    """A number and its noun, as in `1 share`, `2 shares`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def alternatives(names: Sequence[str]) -> str:
    """Names as `A`, `A or B`, `A, B or C`."""
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


def not_visible(miner: Miner, rate: Hashrate | None) -> list[str]:
    """What the capture cannot show."""
    return [*_not_captured(miner), *_not_known(miner, rate)]


def _not_captured(miner: Miner) -> Iterator[str]:
    flow, talk = miner.flow, miner.talk
    if not any(row["kind"] in ("login", "authorize", "subscribe", "hello") for row in talk.said):
        yield "the login was not captured, so wallet, worker and agent may be unknown"
    if flow.up_gap or flow.down_gap:
        yield f"{flow.up_gap + flow.down_gap} bytes of the conversation were not captured"
    for name, rows in (("pool", talk.pool), ("miner", talk.miner)):
        if not rows:
            yield f"nothing of the {name}'s side was recognised"
    if any(row["kind"] == "compressed" for row in talk.said):
        yield "part of the conversation is compressed and could not be read"
    if miner.pool.proxy:
        yield f"the pool's address: the proxy {miner.pool.proxy} is in between"
    if not miner.pool.name:
        yield "no name of the pool was seen before the connection"


def _not_known(miner: Miner, rate: Hashrate | None) -> Iterator[str]:
    candidates = miner.talk.candidates
    if len(candidates) > 1:
        yield f"which dialect it is: {alternatives(candidates)} fit equally well"
    if miner.coin is None:
        known = alternatives(miner.coin_candidates)
        yield f"which coin is mined{f': it may be {known}' if known else ''}"
    if rate and rate.is_unit_assumed:
        yield "what a difficulty of 1 stands for: the hash rate takes the dialect's usual unit"
    if miner.wallet and miner.wallet.checksum == "none":
        yield "the login has no checksum, so it may be an account name"


def next_steps(miner: Miner) -> list[str]:
    """What an analyst could do."""
    steps = [f"find which job or process on {miner.host} held this connection at that time"]
    if miner.tier == "suspect":
        return steps
    if miner.wallet:
        steps.append("search other captures for the same wallet")
    where = f"{miner.pool_text} at the proxy" if miner.pool.proxy else miner.flow_end
    steps.append(f"block {where} once the evidence is kept")
    return steps
