"""A finding's frames as Wireshark decodes them, a few at a time.

The frames are first cut into a small capture of their own, so that tshark (through pyshark) reads
those and nothing else. Everything it says is text from the wire and is escaped by whoever shows it.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analyzer.errors import OutgateError, ToolMissingError
from analyzer.frames import evidence_frames, pcapng_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analyzer._core import CapturedFrame
    from analyzer.model import Finding

DEFAULT_FRAMES = 8
MAX_FRAMES = 64
MAX_LINES_PER_LAYER = 60
SSH_DETECTOR = "tunnel.ssh_reverse"
DATA_AS_TEXT = ["-o", "data.show_as_text:TRUE"]
"""Stratum has no dissector of its own; its lines read better than their hex."""
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


def dissect(finding: Finding, source: str, most: int = DEFAULT_FRAMES) -> list[Dissection]:
    """Decodes the first `most` frames a finding names.

    Raises:
        ToolMissingError: tshark or pyshark is not installed.
        UsageError, CaptureUnreadable: As `evidence_frames`.
        OutgateError: tshark stopped with an error.
    """
    _need_tshark()
    frames = evidence_frames(finding, source, min(most, MAX_FRAMES))
    return decode(frames, decode_as(finding))


def decode_as(finding: Finding) -> dict[str, str]:
    """What tshark must be told of a finding's port: without the banner it goes by the number."""
    flow = finding.flow
    if finding.detector == SSH_DETECTOR and flow.dst_port is not None:
        return {f"{flow.transport}.port=={flow.dst_port}": "ssh"}
    return {}


def decode(
    frames: Sequence[CapturedFrame], ports: Mapping[str, str] | None = None
) -> list[Dissection]:
    """Decodes frames with tshark; the result has their original numbers.

    Args:
        frames: In the order they are to be shown.
        ports: Selectors such as `tcp.port==443` and the protocol to decode them as.

    Raises:
        ToolMissingError: tshark or pyshark is not installed.
        OutgateError: tshark stopped with an error.
    """
    _need_tshark()
    try:
        import pyshark  # noqa: PLC0415 - slow to import, and optional
        from pyshark.capture.capture import TSharkCrashException  # noqa: PLC0415 - as above
    except ImportError as error:
        hint = "install it with `pip install pyshark`"
        raise ToolMissingError("pyshark", "dissect frames", hint=hint) from error
    with tempfile.TemporaryDirectory(prefix="outgate-") as folder:
        path = Path(folder) / "frames.pcapng"
        path.write_bytes(pcapng_of(frames, {}))
        # A loop of our own, so that it can be closed and the caller's is left alone.
        loop = asyncio.new_event_loop()
        capture = pyshark.FileCapture(
            str(path),
            keep_packets=False,
            eventloop=loop,
            decode_as=dict(ports or {}),
            custom_parameters=DATA_AS_TEXT,
        )
        try:
            packets = [_layers(packet) for _, packet in zip(frames, capture, strict=False)]
        except TSharkCrashException as error:
            raise OutgateError(
                f"cannot dissect frames: tshark stopped: {error}",
                hint="`outgate doctor` shows which tshark is in use",
            ) from error
        finally:
            capture.close()
            loop.close()
    return [
        Dissection(number=frame.number, layers=layers)
        for frame, layers in zip(frames, packets, strict=False)
    ]


def _need_tshark() -> None:
    if shutil.which("tshark") is None:
        raise ToolMissingError("tshark", "dissect frames", hint=TSHARK_INSTALL_HINT)


def _layers(packet: Any) -> tuple[Layer, ...]:  # noqa: ANN401 - pyshark has no types
    return tuple(
        Layer(name=str(layer.layer_name).upper(), lines=_lines(layer)) for layer in packet.layers
    )


def _lines(layer: Any) -> tuple[str, ...]:  # noqa: ANN401 - as above
    lines: list[str] = []
    for container in layer._all_fields.values():  # noqa: SLF001 - the only way to keep the order
        for field in container.all_fields:
            shown = field.showname or field.show
            if shown and not field.hide:
                lines.append(str(shown))
            if len(lines) == MAX_LINES_PER_LAYER:
                return (*lines, "…")
    return tuple(lines)
