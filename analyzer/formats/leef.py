r"""IBM QRadar's Log Event Extended Format 2.0: one line of text, its attributes split by tabs.

LEEF has no escapes of its own, so text is made to hold neither delimiter nor line end: whatever
does not show as itself becomes `\x09` and the like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.formats import wording
from analyzer.formats.facts import NS_PER_MS, PRODUCT, VENDOR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analyzer.formats.facts import Facts

DELIMITER = "\t"
DELIMITER_NAME = "x09"
TIME_FORMAT = "yyyy-MM-dd'T'HH:mm:ss.SSSX"
"""As Java's SimpleDateFormat writes `2026-03-02T09:07:01.014Z`."""

MAX_HEADER_CHARS = 255
MAX_TEXT_CHARS = 1024
_TEXTS = (
    "coin", "dialect", "worker", "agent", "client_software", "server_software", "hassh",
    "hassh_server", "ja4", "sni", "tool", "mode", "target",
)  # fmt: skip


def line(facts: Facts) -> str:
    """The finding as one LEEF line, without its line feed."""
    header = ("LEEF:2.0", VENDOR, PRODUCT, facts.tool_version, facts.detector, DELIMITER_NAME)
    start = "|".join(_header(field) for field in header)
    pairs = ((key, wording.shown(text, MAX_TEXT_CHARS)) for key, text in _attributes(facts) if text)
    return f"{start}|{DELIMITER.join(f'{key}={text}' for key, text in pairs)}"


def _header(text: str) -> str:
    return wording.shown(text, MAX_HEADER_CHARS).replace("|", "\\x7c")


def _attributes(facts: Facts) -> Iterator[tuple[str, str]]:
    pool = facts.pool
    yield "devTime", facts.time(facts.first_ns, NS_PER_MS)
    yield "devTimeFormat", TIME_FORMAT
    yield "cat", facts.category
    yield "sev", str(facts.severity_of_ten)
    yield "src", facts.source.ip
    yield "dst", facts.destination.ip
    yield "srcPort", _text(facts.source.port)
    yield "dstPort", _text(facts.destination.port)
    yield "proto", facts.transport.upper()
    yield "srcBytes", _text(facts.number("bytes_out"))
    yield "dstBytes", _text(facts.number("bytes_in"))
    yield "usrName", next(iter(facts.wallets), "")
    yield "findingId", facts.id
    yield "msg", facts.title
    yield "reason", facts.reason_text
    yield "firstSeen", facts.time(facts.first_ns, NS_PER_MS)
    yield "lastSeen", facts.time(facts.last_ns, NS_PER_MS)
    yield "severity", str(facts.severity)
    yield "confidence", str(facts.percent)
    yield "communityId", facts.community_id
    yield "direction", facts.direction
    yield "attackTechnique", ", ".join(one.id for one in facts.techniques)
    yield "wallets", ", ".join(facts.wallets)
    yield "pool", (pool.name or pool.ip) if pool else ""
    yield "names", ", ".join(facts.names)
    for name in _TEXTS:
        yield _key(name), ", ".join(facts.texts(name))
    yield "flows", str(facts.flows)
    yield "frames", " ".join(str(number) for number in facts.packets)
    yield "capture", facts.capture_path
    yield "captureSha256", facts.capture_sha256
    yield "status", facts.status
    yield "verdict", facts.verdict
    yield "version", str(facts.version)
    yield "suppressedBy", facts.suppressed_by
    yield "tags", ", ".join(facts.tags)
    yield "ruleset", facts.ruleset_version


def _key(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _text(number: int | None) -> str:
    return "" if number is None else str(number)
