"""Types of the Rust module; docs/architecture.md describes the tables it gives."""

from collections.abc import Callable, Sequence

__version__: str

class CaptureError(Exception):
    """The input is no capture at all, or the operating system refused: (path, offset, message)."""

    args: tuple[str, int, str]

class ArrowStream:
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

class Analysis:
    @property
    def stats(self) -> dict[str, object]: ...
    def table(self, name: str) -> ArrowStream: ...

class Frame:
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
def read_frames(path: str, numbers: list[int]) -> list[Frame]: ...
