r"""ArcSight Common Event Format, version 0: one line of text.

`\` and `|` are escaped in the header, `\`, `=` and line ends in the extension. Everything else that
does not show as itself becomes `\x1b` and the like before that. Lengths are those of the CEF
dictionary, counted before the escaping of CEF itself. `src` and `dst` are for IPv4 alone, IPv6 has
`c6a2` and `c6a3`; keys of our own begin with `outgate`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzer.escape import escape
from analyzer.formats import wording
from analyzer.formats.facts import NS_PER_MS, PRODUCT, VENDOR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analyzer.formats.facts import End, Facts

MAX_HEADER_CHARS = 512
MAX_MESSAGE_CHARS = 1023
MAX_CUSTOM_CHARS = 4000
MAX_ID_CHARS = 40
MAX_SHORT_CHARS = 31
MAX_HASH_CHARS = 255

_LINE_ENDS = re.compile(r"([\r\n])")
_DIRECTIONS = {"inbound": "0", "outbound": "1"}
_CUSTOM_KEYS = (
    "coin", "dialect", "agent", "client_software", "server_software", "hassh", "hassh_server",
    "ja4", "sni", "tool", "mode", "target",
)  # fmt: skip


def line(facts: Facts) -> str:
    """The finding as one CEF line, without its line feed."""
    header = (
        "CEF:0",
        VENDOR,
        PRODUCT,
        facts.tool_version,
        facts.detector,
        facts.title,
        str(facts.severity_of_ten),
    )
    start = "|".join(_header(field) for field in header)
    pairs = ((key, _bounded(text, limit)) for key, text, limit in _extension(facts) if text)
    return f"{start}|{' '.join(f'{key}={_value(text)}' for key, text in pairs)}"


def _header(text: str) -> str:
    safe = wording.shown(text, MAX_HEADER_CHARS)
    return safe.replace("\\", "\\\\").replace("|", "\\|")


def _bounded(text: str, limit: int) -> str:
    """The text as a reader gets it back: bounded, line ends kept, the rest shown as itself."""
    kept = wording.cut(text, limit)
    safe = "".join(
        part if part in ("\r", "\n") else escape(part) for part in _LINE_ENDS.split(kept)
    )
    return wording.cut(safe, limit)


def _value(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("=", "\\=")
    return escaped.replace("\r", "\\r").replace("\n", "\\n")


def _extension(facts: Facts) -> Iterator[tuple[str, str, int]]:
    """Key, value and the value's longest length; empty values are left out later."""
    yield "rt", str(facts.changed_ns // NS_PER_MS), MAX_ID_CHARS
    yield "start", str(facts.first_ns // NS_PER_MS), MAX_ID_CHARS
    yield "end", str(facts.last_ns // NS_PER_MS), MAX_ID_CHARS
    yield from _end("src", "spt", "c6a2", "Source IPv6 Address", facts.source)
    yield from _end("dst", "dpt", "c6a3", "Destination IPv6 Address", facts.destination)
    yield "shost", facts.source_name, MAX_MESSAGE_CHARS
    yield "dhost", facts.destination_name, MAX_MESSAGE_CHARS
    yield "proto", facts.transport.upper(), MAX_SHORT_CHARS
    yield "app", facts.application.upper(), MAX_SHORT_CHARS
    yield "out", _text(facts.number("bytes_out")), MAX_ID_CHARS
    yield "in", _text(facts.number("bytes_in")), MAX_ID_CHARS
    yield "deviceDirection", _DIRECTIONS.get(facts.direction, ""), 1
    yield "cnt", str(facts.flows), MAX_ID_CHARS
    yield "cat", facts.category, MAX_MESSAGE_CHARS
    yield "act", "observed", MAX_SHORT_CHARS
    yield "externalId", facts.id, MAX_ID_CHARS
    yield "msg", facts.title, MAX_MESSAGE_CHARS
    yield "reason", facts.reason_text, MAX_MESSAGE_CHARS
    yield "fname", facts.capture_path, MAX_MESSAGE_CHARS
    yield "fileHash", facts.capture_sha256, MAX_HASH_CHARS
    yield from _custom(facts)
    for name in _CUSTOM_KEYS:
        yield _own_key(name), ", ".join(facts.texts(name)), MAX_MESSAGE_CHARS
    yield "outgateStatus", facts.status, MAX_MESSAGE_CHARS
    yield "outgateVerdict", facts.verdict, MAX_MESSAGE_CHARS
    yield "outgateSuppressedBy", facts.suppressed_by, MAX_MESSAGE_CHARS
    yield "outgateTags", ", ".join(facts.tags), MAX_MESSAGE_CHARS
    yield "outgateFrames", " ".join(str(number) for number in facts.packets), MAX_MESSAGE_CHARS


def _end(
    ip_key: str, port_key: str, v6_key: str, v6_label: str, end: End
) -> Iterator[tuple[str, str, int]]:
    if end.is_v6:
        yield f"{v6_key}Label", v6_label, MAX_MESSAGE_CHARS
        yield v6_key, end.ip, MAX_MESSAGE_CHARS
    else:
        yield ip_key, end.ip, MAX_MESSAGE_CHARS
    yield port_key, _text(end.port), MAX_ID_CHARS


def _custom(facts: Facts) -> Iterator[tuple[str, str, int]]:
    pool = facts.pool
    texts = (
        ("cs1", "communityId", facts.community_id),
        ("cs2", "ruleset", facts.ruleset_version),
        ("cs3", "attackTechnique", ", ".join(one.id for one in facts.techniques)),
        ("cs4", "wallet", ", ".join(facts.wallets)),
        ("cs5", "pool", (pool.name or pool.ip) if pool else ""),
        ("cs6", "worker", facts.text("worker")),
        ("cn1", "confidence", str(facts.percent)),
        ("cn2", "version", str(facts.version)),
    )
    for key, label, text in texts:
        if text:
            yield f"{key}Label", label, MAX_MESSAGE_CHARS
            yield key, text, MAX_CUSTOM_CHARS


def _own_key(name: str) -> str:
    return "outgate" + "".join(part.capitalize() for part in name.split("_"))


def _text(number: int | None) -> str:
    return "" if number is None else str(number)
