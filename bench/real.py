"""Real captures, one after another and over again, as one long capture."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import dpkt

ETHERNET = 1
MAX_CAPTURE_BYTES = 50_000_000
FIRST_US = 1_000_000
MAX_GAP_US = 10_000_000  # damaged and edited captures jump by years
REPEAT_PAUSE_US = 3_600_000_000  # an hour: every flow of one round is over before the next


def repeated_frames(folder: Path, *, packets: int) -> Iterator[tuple[int, bytes]]:
    """Yield time in microseconds and frame of the folder's Ethernet captures until enough.

    Captures follow each other in time: each begins where the one before it ended.

    Raises:
        FileNotFoundError: No capture of the folder can be read.
    """
    frames = list(one_round(folder, packets=packets))
    if not frames:
        message = f"no Ethernet capture under {folder}"
        raise FileNotFoundError(message)
    span = frames[-1][0] + REPEAT_PAUSE_US
    rounds = (
        (time + number * span, frame) for number in itertools.count() for time, frame in frames
    )
    return itertools.islice(rounds, packets)


def one_round(folder: Path, *, packets: int) -> Iterator[tuple[int, bytes]]:
    """Yield each capture's frames once, their times made to follow those of the capture before."""
    clock = FIRST_US
    left = packets
    for path in sorted(folder.rglob("*.pcap*")):
        if left <= 0:
            return
        frames = ethernet_frames(path)
        left -= len(frames)
        previous = frames[0][0] if frames else 0
        for time, frame in frames:
            clock += min(max(0, time - previous), MAX_GAP_US)
            previous = time
            yield clock, frame


def ethernet_frames(path: Path) -> list[tuple[int, bytes]]:
    """Return what dpkt can read of a capture, or nothing if it is not Ethernet or not readable."""
    if "malformed" in path.parts or path.stat().st_size > MAX_CAPTURE_BYTES:
        return []
    frames: list[tuple[int, bytes]] = []
    with path.open("rb") as stream:
        try:
            reader = dpkt.pcap.UniversalReader(stream)
            if reader.datalink() != ETHERNET:
                return []
            frames.extend((int(time * 1_000_000), bytes(frame)) for time, frame in reader)
        except (ValueError, dpkt.Error):
            return frames
    return frames
