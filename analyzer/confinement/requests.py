"""What the service asks of the fork server: one datagram for each worker."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from analyzer.confinement.limits import WorkerLimits

MAX_REQUEST_BYTES = 64 * 1024
ARGUMENTS_FILE = "arguments.json"
"""In the worker's folder: arguments may be longer than a datagram."""

KILL = b"kill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One worker to fork.

    Attributes:
        task: Its name in the tasks of the module the fork server serves.
        folder: Where it may write, absolute.
        read: Files and folders it may read besides its programs and libraries, absolute.
        programs: Whether it may start other programs.
    """

    task: str
    folder: str
    read: tuple[str, ...]
    limits: WorkerLimits
    programs: bool = False

    def encode(self) -> bytes:
        """As a datagram."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, data: bytes) -> Request:
        """The reverse of `encode`."""
        found = json.loads(data)
        return cls(
            task=found["task"],
            folder=found["folder"],
            read=tuple(found["read"]),
            limits=WorkerLimits(**found["limits"]),
            programs=found["programs"],
        )
