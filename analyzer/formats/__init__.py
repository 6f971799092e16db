"""One finding in the words of others: ECS, OCSF, STIX, EVE, CEF, LEEF, ASIM, MISP.

Pure functions from the native document (`outgate/finding/1` and what the service adds) to bytes.
The same document always gives the same bytes. docs/formats.md says which field comes from where.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from analyzer.errors import UsageError
from analyzer.formats import asim, cef, ecs, eve, leef, misp, ocsf, stix
from analyzer.formats.facts import Facts, facts_of
from analyzer.formats.media import acceptable
from analyzer.formats.wording import json_line
from analyzer.settings import PRIVATE_NETWORKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = ["FORMATS", "Format", "by_media_type", "format_named", "render", "render_many"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One way to write findings.

    Attributes:
        name: As `format=` and sinks name it.
        media_type: Of one finding.
        many_media_type: Of several.
        title: What it is, for people.
        line: One finding is one line, and several are lines.
    """

    name: str
    media_type: str
    many_media_type: str
    title: str
    line: bool


_NDJSON = "application/x-ndjson"

_ROWS = (
    ("native", "application/json", _NDJSON, "Outgate's own JSON, outgate/finding/1", True),
    ("ecs", "application/vnd.outgate.ecs+json", _NDJSON, "Elastic Common Schema 9.4", True),
    ("ocsf", "application/vnd.outgate.ocsf+json", _NDJSON, "OCSF 1.6.0 Detection Finding", True),
    ("stix", "application/stix+json;version=2.1", "", "STIX 2.1 bundle", False),
    ("eve", "application/vnd.outgate.eve+json", _NDJSON, "Suricata EVE alert", True),
    ("cef", "text/vnd.outgate.cef", "", "ArcSight Common Event Format 0", True),
    ("leef", "text/vnd.outgate.leef", "", "QRadar Log Event Extended Format 2.0", True),
    ("asim", "application/vnd.outgate.asim+json", _NDJSON, "Sentinel ASIM network session", True),
    ("misp", "application/vnd.outgate.misp+json", "", "MISP event", False),
)

FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        name: Format(
            name=name,
            media_type=media_type,
            many_media_type=many or media_type,
            title=title,
            line=line,
        )
        for name, media_type, many, title, line in _ROWS
    }
)

_DOCUMENTS: Mapping[str, Callable[[Facts], dict[str, object]]] = MappingProxyType(
    {
        "ecs": ecs.document,
        "ocsf": ocsf.document,
        "stix": stix.document,
        "eve": eve.document,
        "asim": asim.document,
        "misp": misp.document,
    }
)
_LINES: Mapping[str, Callable[[Facts], str]] = MappingProxyType(
    {"cef": cef.line, "leef": leef.line}
)


def format_named(name: str) -> Format:
    """The format of a name.

    Raises:
        UsageError: There is no such format; the hint names those there are.
    """
    known = FORMATS.get(name)
    if known is None:
        shown = name[:40]
        raise UsageError(
            f"cannot write findings as {shown}: there is no such format",
            hint=f"use one of {', '.join(FORMATS)}",
        )
    return known


def render(
    finding: Mapping[str, Any], name: str, *, inside: Sequence[str] = PRIVATE_NETWORKS
) -> bytes:
    """One finding, without a line feed at its end.

    Args:
        finding: Its native document.
        name: One of `FORMATS`.
        inside: Networks that count as inside, as CIDR text.

    Raises:
        UsageError: There is no such format.
        KeyError, TypeError, ValueError: The document is not by contract.
    """
    format_named(name)
    if name == "native":
        return json_line(finding)
    facts = facts_of(finding, inside)
    if name in _LINES:
        return _LINES[name](facts).encode("utf-8", "replace")
    return json_line(_DOCUMENTS[name](facts))


def render_many(
    findings: Iterable[Mapping[str, Any]],
    name: str,
    *,
    inside: Sequence[str] = PRIVATE_NETWORKS,
) -> Iterator[bytes]:
    """Several findings, in pieces: lines, one merged STIX bundle, or a JSON array of MISP events.

    Raises:
        UsageError: There is no such format; said at once, not when the pieces are taken.
        KeyError, TypeError, ValueError: A document is not by contract.
    """
    if format_named(name).line:
        return (render(finding, name, inside=inside) + b"\n" for finding in findings)
    if name == "stix":
        return _one_bundle(findings, inside)
    return _array(findings, name, inside)


def by_media_type(accept: str) -> str | None:
    """The format that an Accept header asks for; native where it leaves the choice, None if none.

    `application/x-ndjson` is native too. The API chooses between one and many by the route.
    """
    offered = {one.media_type: one.name for one in FORMATS.values()}
    return acceptable(accept, {**offered, _NDJSON: "native"})


def _one_bundle(findings: Iterable[Mapping[str, Any]], inside: Sequence[str]) -> Iterator[bytes]:
    objects = (item for one in findings for item in stix.objects(facts_of(one, inside)))
    yield json_line(stix.bundle(objects))


def _array(
    findings: Iterable[Mapping[str, Any]], name: str, inside: Sequence[str]
) -> Iterator[bytes]:
    before = b"["
    for finding in findings:
        yield before + render(finding, name, inside=inside)
        before = b",\n"
    yield b"]" if before == b",\n" else b"[]"
