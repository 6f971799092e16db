"""Short forms for what a sample must and must not give."""

from __future__ import annotations

from pcaps.recipes.model import Expect, MatchValue

CONFIRMED_CONFIDENCE = 0.9
ATTEMPT_CONFIDENCE = (0.5, 0.8)
ALARM_CONFIDENCE = 0.5


def silent() -> tuple[Expect, ...]:
    """No alarm at all."""
    return (Expect(count=0, match={"alarm": True}),)


def never(category: str) -> Expect:
    """No alarm of a category."""
    return Expect(count=0, match={"category": category, "alarm": True})


def mining(
    dialect: str = "", *, count: int = 1, detector: str = "mining.stratum", **attributes: str
) -> tuple[Expect, ...]:
    """Confirmed mining, and no tunnel beside it."""
    match: dict[str, MatchValue] = {
        "detector": detector,
        "category": "mining",
        "alarm": True,
        "confidence_min": CONFIRMED_CONFIDENCE,
    }
    if dialect:
        match["attributes.dialect"] = dialect
    match |= {f"attributes.{name}": value for name, value in attributes.items() if value}
    return (Expect(count=count, match=match), never("reverse_tunnel"), never("tunnel"))


def attempt() -> tuple[Expect, ...]:
    """A single message that only a miner sends: medium, not confirmed."""
    low, high = ATTEMPT_CONFIDENCE
    match: dict[str, MatchValue] = {
        "detector": "mining.stratum",
        "category": "mining",
        "severity": "medium",
        "confidence_min": low,
        "confidence_max": high,
    }
    return (Expect(count=1, match=match), Expect(count=1, match={"category": "mining"}))


def pool_contact(severity: str, *, minimum: int = 1) -> Expect:
    """A pool's name or address was met; that is policy, never mining."""
    match: dict[str, MatchValue] = {
        "detector": "mining.pool_contact",
        "category": "policy",
        "severity": severity,
    }
    return Expect(minimum=minimum, match=match)


def reverse_ssh(**attributes: str) -> tuple[Expect, ...]:
    """An SSH reverse tunnel, and no mining beside it."""
    match: dict[str, MatchValue] = {
        "detector": "tunnel.ssh_reverse",
        "category": "reverse_tunnel",
        "alarm": True,
        "confidence_min": ALARM_CONFIDENCE,
    }
    match |= {f"attributes.{name}": value for name, value in attributes.items()}
    return (Expect(count=1, match=match), never("mining"))


def relay(*, minimum: int = 1) -> tuple[Expect, ...]:
    """Marks of a tunnel service or tool, and no mining beside them."""
    match: dict[str, MatchValue] = {"detector": "tunnel.relay"}
    return (Expect(minimum=minimum, match=match), never("mining"))
