"""The frames behind a finding as JSON."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from analyzer.dissect import MAX_FRAMES, MAX_LINES_PER_LAYER
from analyzer.worker import MAX_SHOWN_BYTES, MAX_SHOWN_LAYERS, MAX_SHOWN_LINE_CHARS
from api.schemas import MAX_INTEGER, Shape

MAX_NAME_CHARS = 200
Count = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
Line = Annotated[str, Field(max_length=MAX_SHOWN_LINE_CHARS)]


class CaptureOfEvidence(Shape):
    """The capture the frames are in."""

    sha256: str
    name: str
    size_bytes: int
    deleted: bool


class EvidenceOut(Shape):
    """What can be shown of a finding."""

    finding_id: str
    available: bool
    reason: str = Field(description="why nothing can be shown, or empty")
    frames: list[int] = Field(description="numbers of the frames the evidence names, ascending")
    capture: CaptureOfEvidence | None
    links: dict[str, str] = Field(description="paths of what there is: frames, capture, manifest")


class ShownLayer(BaseModel):
    """One protocol of a frame as Wireshark decodes it; lines are text from the wire."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=MAX_NAME_CHARS)]
    lines: Annotated[list[Line], Field(max_length=MAX_LINES_PER_LAYER + 1)]


class ShownFrame(BaseModel):
    """One frame."""

    model_config = ConfigDict(extra="forbid")

    number: Count = Field(description="in the capture, from 1")
    time: Annotated[str, Field(max_length=40)]
    original_bytes: Count = Field(description="as it was on the wire")
    captured_bytes: Count = Field(description="as the capture has it")
    link_type: Count = Field(description="LINKTYPE of its first header")
    hex: Annotated[str, Field(max_length=2 * MAX_SHOWN_BYTES, pattern=r"^[0-9a-f]*$")] = Field(
        description=f"its first bytes, at most {MAX_SHOWN_BYTES}"
    )
    layers: Annotated[list[ShownLayer], Field(max_length=MAX_SHOWN_LAYERS)] = Field(
        description="from the outside in; empty where it was not decoded"
    )


class ShownFrames(BaseModel):
    """What a worker wrote."""

    model_config = ConfigDict(extra="forbid")

    frames: Annotated[list[ShownFrame], Field(max_length=MAX_FRAMES)]
    not_decoded: Annotated[str, Field(max_length=2000)]


class FramesPage(Shape):
    """Where the frames go on."""

    next_after: int = Field(description="give it as `after` for what follows")
    has_more: bool


class FramesOut(Shape):
    """Some frames of a finding."""

    data: list[ShownFrame]
    not_decoded: str = Field(description="why frames have no layers, or empty")
    missing: list[int] = Field(description="frames of this page that the capture does not have")
    page: FramesPage


class ManifestOut(BaseModel):
    """What was cut out of what: hashes, sizes and frame numbers (outgate/carve/1)."""

    model_config = ConfigDict(extra="allow")

    finding: dict[str, Any]
    source: dict[str, Any]
    output: dict[str, Any]
    frames: list[int]
    frames_not_in_source: list[int]
