"""What is known about the programs around Outgate: whether they are there, and what they said."""

from __future__ import annotations

from dataclasses import dataclass

TSHARK_INSTALL_HINT = "install the package `tshark` (Debian, Ubuntu) or `wireshark-cli` (Fedora)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One protocol of one frame as Wireshark decodes it: its name and a line for each field."""

    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dissection:
    """One frame, by its number in the original capture, and its layers from the outside in."""

    number: int
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that `outgate doctor` looked at.

    Attributes:
        name: What.
        ok: Whether it is as it should be.
        found: What is there, with its version.
        cost: What does not work without it; "" if all is well.
        remedy: What to do; "" if all is well.
        required: Whether nothing works without it.
    """

    name: str
    ok: bool
    found: str
    cost: str = ""
    remedy: str = ""
    required: bool = False
