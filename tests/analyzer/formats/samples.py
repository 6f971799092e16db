"""Findings that the formats are tested with, and what each of them must be written as.

`.venv/bin/python -m tests.analyzer.formats.samples` writes the golden files again; read what
changed in them before you commit it.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from analyzer.formats import FORMATS, render

HERE = Path(__file__).parent
NAMES = ("mining", "ssh_reverse", "relay")
JSON_FORMATS = ("native", "ecs", "ocsf", "stix", "eve", "asim", "misp")

Document = dict[str, Any]


def finding(name: str) -> Document:
    """A native finding: mining with a wallet, ssh -R over IPv6, or a relay without a capture."""
    document: Document = json.loads((HERE / "findings" / f"{name}.json").read_text("utf-8"))
    return document


def with_attributes(document: Document, **attributes: Any) -> Document:
    """The finding with other attributes."""
    changed = copy.deepcopy(document)
    changed["attributes"] |= attributes
    return changed


def hostile(text: str) -> Document:
    """The mining finding with one text wherever the wire may have put it."""
    document = finding("mining")
    document["title"] = f"somebody mines with {text}"
    document["evidence"][1]["summary"] = text
    document["capture"]["path"] = text
    document["tags"] = [text]
    document["attributes"] |= {
        "agent": text,
        "worker": text,
        "wallet": text,
        "wallets": [text, "x" + text],
        "sni": [text],
        "ja4": [text],
        "names": [text],
        "hassh": text,
        "client_software": text,
        "coin": text,
        "pool": {
            "ip": text, "port": 3333, "name": text, "name_source": "client", "operator": text,
        },
        text: {text: [text]},
    }  # fmt: skip
    return document


def golden_path(name: str, format_name: str) -> Path:
    """Where the golden file of a finding in a format lies."""
    ending = "json" if format_name in JSON_FORMATS else "txt"
    return HERE / "golden" / f"{name}.{format_name}.{ending}"


def main() -> None:
    """Writes all golden files."""
    for name in NAMES:
        for format_name in FORMATS:
            content = render(finding(name), format_name) + b"\n"
            golden_path(name, format_name).write_bytes(content)


if __name__ == "__main__":
    main()
