"""Rate limits: a moving window for each key, and one for each address that fails to log in.

The windows live in memory and are bounded in number; the addresses of IPv6 count by their /64,
which one customer has to themselves.
"""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import Storage
from limits.storage.base import MovingWindowSupport
from limits.strategies import MovingWindowRateLimiter

from api.errors import Problem
from api.settings import ServiceSettings

WINDOW_S = 60
MAX_WINDOWS = 20_000
"""Keys and addresses remembered; the one longest unused is forgotten first."""

IPV6_PREFIX_BITS = 64


class WindowStorage(Storage, MovingWindowSupport):
    """Windows in memory, at most `MAX_WINDOWS`, without threads or timers of their own."""

    STORAGE_SCHEME = None

    def __init__(self, now_s: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._now_s = now_s
        self._windows: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Takes places in a window, unless it is full."""
        with self._lock:
            window = self._window(key, expiry)
            if len(window) + amount > limit:
                return False
            window.extend([self._now_s()] * amount)
            return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:  # noqa: ARG002
        """When the oldest entry was made, and how many there are."""
        with self._lock:
            window = self._window(key, expiry)
            return (window[0] if window else self._now_s()), len(window)

    def _window(self, key: str, expiry: int) -> deque[float]:
        window = self._windows.setdefault(key, deque())
        self._windows.move_to_end(key)
        while len(self._windows) > MAX_WINDOWS:
            self._windows.popitem(last=False)
        earliest_s = self._now_s() - expiry
        while window and window[0] <= earliest_s:
            window.popleft()
        return window

    @property
    def base_exceptions(self) -> type[Exception]:
        """None of its own."""
        return ValueError

    def check(self) -> bool:
        """It is always there."""
        return True

    def reset(self) -> int:
        """Forgets all windows."""
        with self._lock:
            count = len(self._windows)
            self._windows.clear()
            return count

    def clear(self, key: str) -> None:
        """Forgets one window."""
        with self._lock:
            self._windows.pop(key, None)

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Fixed windows are not kept here."""
        raise NotImplementedError

    def get(self, key: str) -> int:
        """Fixed windows are not kept here."""
        raise NotImplementedError

    def get_expiry(self, key: str) -> float:
        """Fixed windows are not kept here."""
        raise NotImplementedError


class RateLimits:
    """The limits of one application."""

    def __init__(self, settings: ServiceSettings, now_s: Callable[[], float] = time.time) -> None:
        self._now_s = now_s
        self._limiter = MovingWindowRateLimiter(WindowStorage(now_s))
        self._requests = RateLimitItemPerMinute(settings.rate_per_minute)
        self._failures = RateLimitItemPerMinute(settings.failures_per_minute)

    def admit(self, caller: str) -> dict[str, str]:
        """Takes one request of a caller.

        Returns:
            The headers of draft-ietf-httpapi-ratelimit-headers for the answer.

        Raises:
            Problem: 429, with `Retry-After`, when the window is full.
        """
        admitted = self._limiter.hit(self._requests, "requests", caller)
        reset_s, remaining = self._left(self._requests, "requests", caller)
        headers = {
            "RateLimit-Policy": f'"requests";q={self._requests.amount};w={WINDOW_S}',
            "RateLimit": f'"requests";r={remaining};t={reset_s}',
        }
        if not admitted:
            raise Problem(
                "rate-limited",
                detail=f"cannot take more than {self._requests.amount} requests in {WINDOW_S} s",
                headers={**headers, "Retry-After": str(reset_s)},
            )
        return headers

    def check_address(self, address: str) -> None:
        """Refuses an address that failed too often.

        Raises:
            Problem: 429, with `Retry-After`.
        """
        network = network_of(address)
        if not self._limiter.test(self._failures, "failures", network):
            reset_s, _ = self._left(self._failures, "failures", network)
            raise Problem(
                "rate-limited",
                detail=f"cannot take more log-ins from {network}: too many have failed",
                headers={"Retry-After": str(reset_s)},
            )

    def failed(self, address: str) -> None:
        """Counts one failed log-in of an address."""
        self._limiter.hit(self._failures, "failures", network_of(address))

    def forget(self) -> None:
        """Empties all windows."""
        self._limiter.storage.reset()

    def _left(self, item: RateLimitItem, *names: str) -> tuple[int, int]:
        """Seconds until a place is free or the window is empty, and places left."""
        stats: Any = self._limiter.get_window_stats(item, *names)
        wait_s = math.ceil(stats.reset_time - self._now_s())
        return max(1, min(WINDOW_S, wait_s)), max(0, stats.remaining)


def network_of(address: str) -> str:
    """What an address counts as: itself, or its /64 for IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, IPV6_PREFIX_BITS), strict=False))
