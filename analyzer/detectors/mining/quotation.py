"""Whether mining messages are said or merely quoted: in logs, chats, pages, pasted text.

A session of the stratum family is nothing but its messages. Where they stand among other text, come
as the body of an HTTP request, say both sides' words in one direction, or speak of work that nobody
gave, somebody passes them on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzer.detectors.mining.conversation import is_pool_hidden

if TYPE_CHECKING:
    from analyzer.detectors.mining.conversation import Conversation
    from analyzer.observations import Flow

OVER_HTTP = frozenset({"eth_proxy", "getwork", "getblocktemplate", "browser"})
"""Dialects that are spoken over HTTP, or in a WebSocket that HTTP opens."""

MESSAGE_START = re.compile(rb"\s*(?:[\[{]|[a-z]{1,16}~|PROXY )")
"""JSON, Xatum's word and tilde, or the line in which a load balancer names the client."""

TEXT_START = re.compile(rb"[\x20-\x7e\s]{4}")
"""Anything else that starts with readable text; a proxy's binary greeting is none."""


def reason(talk: Conversation, flow: Flow) -> str:
    """Why the messages may be no more than quoted; "" if nothing says so."""
    if len(talk.contradicting) * 2 >= len(talk.messages):
        return "one direction says what miners say and what pools say: somebody passes it on"
    rows = talk.specific
    if not rows:
        return ""
    shares = talk.of_kind("submit")
    if shares and not talk.pool and not flow.midstream and not is_pool_hidden(talk, flow):
        return "shares go to an end that never gave any work"
    carriers = {row["carrier"] for row in rows}
    if carriers == {"http"} and not set(talk.candidates) & OVER_HTTP:
        return "the messages are bodies of HTTP requests, which this dialect does not use"
    prefixes = [flow.prefix_up if row["up"] else flow.prefix_down for row in rows]
    if carriers == {""} and not flow.midstream and all(map(_is_other_text, prefixes)):
        return "the messages stand among other text, as in a log or a chat"
    return ""


def _is_other_text(prefix: bytes) -> bool:
    return bool(TEXT_START.match(prefix)) and not MESSAGE_START.match(prefix)
