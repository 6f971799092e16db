"""Tries in a worker what a worker must not be able to do, before it meets any input."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from analyzer.confinement.inside import Task, Workplace
from analyzer.confinement.server import ForkServer
from analyzer.confinement.watching import run
from analyzer.errors import OutgateError
from analyzer.files import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final

ON = "on"
"""How every measure begins that works; the others say why they do not."""

OUTSIDE: Final = "/etc/hostname"
"""A file everybody may read, but for a worker."""


def warm() -> None:
    """Nothing to load but the core."""
    from analyzer import _core  # noqa: PLC0415 - loading it is the point

    del _core


def measures(server: ForkServer, folder: Path) -> Mapping[str, str]:
    """What a worker gives up on this machine: by measure `on`, or `off` and why.

    Args:
        server: One with the task `probe`.
        folder: For temporary files.

    Raises:
        OutgateError: No worker can be started, or it fails.
        OSError: The folder cannot be written to.
    """
    own = Path(tempfile.mkdtemp(dir=folder, prefix="task-"))
    try:
        outcome = run(server, "probe", {}, folder=own)
    finally:
        remove_tree(own)
    if not outcome.ok:
        raise OutgateError(outcome.message, hint=outcome.hint)
    tried = {f"try_{name}": str(said) for name, said in outcome.result.items()}
    return MappingProxyType({**outcome.applied, **tried})


def confinement() -> Mapping[str, str]:
    """As `measures`, in a worker that is started for this alone.

    Raises:
        OutgateError: No worker can be started.
        OSError: There is no room for temporary files.
    """
    with tempfile.TemporaryDirectory(prefix="outgate-") as folder, ForkServer(__name__) as server:
        return measures(server, Path(folder))


def _probe(_place: Workplace, _arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"network": _tries(_open_socket), "files": _tries(_read_elsewhere)}


def _tries(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except FileNotFoundError:
        return f"{ON}: nothing to try it with"
    except OSError as error:
        return f"{ON}: {error.strerror}".lower()
    return "off: it is possible"


def _open_socket() -> None:
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()


def _read_elsewhere() -> None:
    Path(OUTSIDE).read_bytes()


TASKS: Mapping[str, Task] = MappingProxyType({"probe": Task(perform=_probe)})
