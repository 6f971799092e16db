"""The nouns of a recipe: frames, captures, what a sample must and must not give."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NS_PER_S = 1_000_000_000
# 2 March 2026, 09:00:00 UTC: every sample starts here, so that tools show readable dates.
EPOCH_NS = 1_772_442_000 * NS_PER_S

LINK_ETHERNET = 1
LINK_RAW_IP = 101
LINK_SLL2 = 276
LINK_NAMES: Mapping[int, str] = {
    LINK_ETHERNET: "ethernet",
    LINK_RAW_IP: "raw_ip",
    LINK_SLL2: "linux_sll2",
}

MatchValue = str | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One captured frame."""

    ts_ns: int
    data: bytes
    interface: int = 0
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One capture interface of a pcapng file."""

    name: str
    link_type: int = LINK_ETHERNET
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """What goes into one file. `container` is `pcap` or `pcapng`."""

    frames: tuple[Frame, ...]
    container: str = "pcap"
    link_type: int = LINK_ETHERNET
    nanoseconds: bool = False
    big_endian: bool = False
    interfaces: tuple[Interface, ...] = ()
    comment: str = ""

    def link_types(self) -> tuple[int, ...]:
        """LINKTYPE numbers in use, in the order of the interfaces."""
        return tuple(face.link_type for face in self.interfaces) or (self.link_type,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """How many findings match. `tests/golden/README.md` describes the keys of `match`."""

    match: Mapping[str, MatchValue]
    count: int | None = None
    minimum: int | None = None
    maximum: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One sample: the file's name below `pcaps/`, how to make it, what must come out."""

    name: str
    shows: str
    make: Callable[[], Capture]
    expect: tuple[Expect, ...]
    origin: str = field(default="synthetic")

    def case(self) -> str:
        """The sample's name as a folder below `tests/golden/`."""
        stem = self.name.removesuffix(".gz").removesuffix(".pcap").removesuffix(".pcapng")
        return stem.removeprefix("synthetic/").replace("/", "-")


def seconds(amount: float) -> int:
    """`amount` seconds as nanoseconds, on whole microseconds."""
    return round(amount * 1_000_000) * 1000


def merge(*streams: tuple[Frame, ...] | list[Frame]) -> tuple[Frame, ...]:
    """All frames in time order; frames of the same instant keep the order of the arguments."""
    together = [frame for stream in streams for frame in stream]
    return tuple(sorted(together, key=lambda frame: frame.ts_ns))
