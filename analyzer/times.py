"""Times: integers of nanoseconds since 1970-01-01 UTC inside, RFC 3339 text at the edges."""

from __future__ import annotations

from datetime import UTC, datetime

NS_PER_SECOND = 1_000_000_000
EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def rfc3339(time_ns: int, resolution_ns: int = 1) -> str:
    """UTC time as RFC 3339 text with the digits the input's resolution justifies.

    Args:
        time_ns: Nanoseconds since 1970-01-01 UTC; a time outside the years 1 to 9999 is clamped.
        resolution_ns: Length of one tick of the capture's clock in nanoseconds.
    """
    seconds, rest_ns = divmod(time_ns, NS_PER_SECOND)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        moment, rest_ns = (LATEST if seconds > 0 else EARLIEST), 0
    digits = fraction_digits(resolution_ns)
    text = f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}"
    return f"{text}.{rest_ns:09d}"[: len(text) + 1 + digits] + "Z" if digits else f"{text}Z"


def fraction_digits(resolution_ns: int) -> int:
    """Decimals of a second that a clock tick of this many nanoseconds needs, 0 to 9."""
    digits, tick_ns = 9, max(1, resolution_ns)
    while digits and tick_ns >= 10:
        digits, tick_ns = digits - 1, tick_ns // 10
    return digits


def parse_rfc3339(text: str) -> tuple[int, int]:
    """The reverse of `rfc3339`: nanoseconds since 1970 and the resolution its digits show.

    Raises:
        ValueError: The text is not what `rfc3339` writes.
    """
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
    rest_ns = int(fraction.ljust(9, "0")[:9]) if fraction else 0
    return seconds * NS_PER_SECOND + rest_ns, 10 ** (9 - len(fraction))
