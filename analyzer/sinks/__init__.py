"""Where findings are pushed: one module for each kind of receiver.

    open_sender("webhook", {"url": ..., "secret": ...}, Surroundings()).deliver(messages)

`analyzer.push` decides what is sent when; senders know how.
"""

from __future__ import annotations

from analyzer.sinks.base import Dead, Delivered, Disable, Message, Outcome, Retry, Sender
from analyzer.sinks.kinds import KINDS, completed, kind_of, open_sender, redacted
from analyzer.sinks.network import Guard
from analyzer.sinks.surroundings import Surroundings

__all__ = [
    "KINDS",
    "Dead",
    "Delivered",
    "Disable",
    "Guard",
    "Message",
    "Outcome",
    "Retry",
    "Sender",
    "Surroundings",
    "completed",
    "kind_of",
    "open_sender",
    "redacted",
]
