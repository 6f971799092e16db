"""Types of the Rust module; docs/architecture.md describes the tables it gives."""

from collections.abc import Callable, Sequence
from typing import final

__all__ = [
    "Analysis",
    "ArrowTable",
    "CaptureError",
    "CapturedFrame",
    "__version__",
    "analyze",
    "confine_files",
    "confine_namespaces",
    "confine_syscalls",
    "drop_capabilities",
    "end_with_parent",
    "read_frames",
]

__version__: str

class CaptureError(Exception):
    """The input is no capture at all, or the operating system refused: (path, offset, message)."""

    args: tuple[str, int, str]

@final
class ArrowTable:
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

@final
class Analysis:
    @property
    def stats(self) -> dict[str, object]: ...
    @property
    def table_names(self) -> list[str]: ...
    def table(self, name: str) -> ArrowTable: ...

@final
class CapturedFrame:
    @property
    def number(self) -> int: ...
    @property
    def ts_ns(self) -> int: ...
    @property
    def orig_len(self) -> int: ...
    @property
    def data(self) -> bytes: ...
    @property
    def link_type(self) -> int: ...
    @property
    def interface(self) -> int: ...

def analyze(
    paths: list[str],
    *,
    patterns: Sequence[tuple[str, bytes, str, bool]] = ...,
    limits: dict[str, int] = ...,
    progress: Callable[[int, int], None] | None = ...,
) -> Analysis: ...
def read_frames(path: str, numbers: list[int]) -> list[CapturedFrame]: ...

# Linux only: each gives something up for good, in the calling process, or raises OSError.
def confine_files(read: Sequence[str], write: Sequence[str], execute: bool) -> str: ...
def confine_namespaces() -> None: ...
def confine_syscalls(programs: bool) -> None: ...
def drop_capabilities() -> None: ...
def end_with_parent() -> None: ...
