"""Rows of the `mining` table as the core gives them, for tests without a capture."""

from __future__ import annotations

from typing import Any

from analyzer.detectors.mining.conversation import Conversation, Message, conversation_of
from tests.builders import EPOCH_NS, observations
from tests.builders import row as table_row

ARRAYS = "stratum_v1|kawpow|ergo"


def said(
    side: str, kind: str, *, at_s: float = 0.0, dialects: str = "stratum_v1", **values: Any
) -> dict[str, Any]:
    """A valid, specific message of the miner (`>`, the initiator) or the pool (`<`)."""
    miner = side == ">"
    given = {
        "up": miner,
        "role": "miner" if miner else "pool",
        "dialects": dialects,
        "kind": kind,
        "shape": "valid",
        "specific": True,
        "frame": 1 + round(at_s),
        "method": f"mining.{kind}",
        "excerpt": f"{{{kind}}}",
    }
    return table_row("mining", at_s=at_s, **(given | values))


def answered(outcome: str, *, at_s: float = 0.0, method: str = "submit", **values: Any) -> Any:
    """The pool's answer to a request, which only the request makes a mining one."""
    given: dict[str, Any] = {"method": f"mining.{method}", "specific": False, "outcome": outcome}
    return said("<", "result", at_s=at_s, **(given | values))


def talk_of(*rows: dict[str, Any]) -> Conversation:
    """The conversation of these rows.

    Raises:
        AssertionError: They make none.
    """
    talk = conversation_of(messages(*rows))
    assert talk is not None
    return talk


def messages(*rows: dict[str, Any]) -> list[Message]:
    """The rows as detectors see them, times in nanoseconds."""
    given = [{**row, "flow_id": 0} for row in rows]
    return observations(mining=given).rows("mining", 0)


__all__ = ["ARRAYS", "EPOCH_NS", "answered", "messages", "said", "talk_of"]
