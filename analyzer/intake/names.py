"""Names that captures are sent under: shown to people, never used on the disk."""

from __future__ import annotations

import re

from analyzer.errors import UsageError
from analyzer.escape import INVISIBLE, escape, shorten

MAX_NAME_CHARS = 200
KEPT_END_CHARS = 40
MAX_SHOWN_CHARS = 80
UNNAMED = "unnamed"
SEPARATORS = re.compile(r"[/\\]")
DRIVE = re.compile(r"[A-Za-z]:[/\\]")
COMPRESSIONS = (".gz", ".zst", ".zstd")

EXECUTABLES = frozenset(
    (  # noqa: SIM905 - one word to a line would be a page
        "exe dll bat cmd scr msi msp pif cpl sys ocx lnk reg hta jar apk app dmg pkg deb rpm "
        "ps1 psm1 vbs vbe js jse wsf wsh sh bash zsh csh ksh py pyw rb php elf so dylib ko run"
    ).split()
)
"""Extensions under which a system runs a file when somebody opens it. `.com` is not among them:
captures are named after hosts."""


class NameRefused(UsageError):  # noqa: N818 - it names what became of it
    """A name that no capture is taken under."""


def clean_name(text: str) -> str:
    """The name a capture is kept under: one path component, printable, bounded.

    Folders before it are left out, what does not show as itself is escaped, dots and spaces at its
    ends go; a long one loses its middle. No name at all becomes `unnamed`.

    Raises:
        NameRefused: It leads out of a folder, holds NUL, or ends like a program's.
    """
    if "\0" in text:
        raise _refused(text, "it holds a NUL character")
    parts = SEPARATORS.split(text)
    if ".." in (part.strip() for part in parts):
        raise _refused(text, "it leads out of its folder")
    if text.startswith(("/", "\\")) or DRIVE.match(text):
        raise _refused(text, "it is a path")
    name = parts[-1].strip().lstrip(".").rstrip(". ")
    _check_extension(text, name)
    return _bounded(escape(name)) or UNNAMED


def _check_extension(text: str, name: str) -> None:
    """Looks at the extension as a system would: without invisible characters and streams."""
    seen = "".join(char for char in name if char.isprintable() and char not in INVISIBLE)
    seen = seen.partition(":")[0].lower().rstrip(". ")
    for ending in COMPRESSIONS:
        seen = seen.removesuffix(ending)
    extension = seen.rpartition(".")[2].strip() if "." in seen else ""
    if extension in EXECUTABLES:
        raise NameRefused(
            f"cannot take a capture named {shorten(text, MAX_SHOWN_CHARS)}:"
            f" .{extension} is the name of a program",
            hint="send it under a capture's name, such as gateway.pcapng",
        )


def _refused(text: str, reason: str) -> NameRefused:
    return NameRefused(
        f"cannot take a capture named {shorten(text, MAX_SHOWN_CHARS)}: {reason}",
        hint="give the name of a file alone, such as gateway.pcapng",
    )


def _bounded(name: str) -> str:
    if len(name) <= MAX_NAME_CHARS:
        return name
    start = name[: MAX_NAME_CHARS - KEPT_END_CHARS - 1]
    return f"{start}…{name[-KEPT_END_CHARS:]}"
