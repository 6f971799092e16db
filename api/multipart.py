"""Captures in a form (multipart/form-data, RFC 7578), each straight to its part file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from analyzer.intake import Part, TooLarge, clean_name
from api.errors import Problem

MEDIA_TYPE = "multipart/form-data"
MAX_FILES = 20
MAX_PARTS = 40
MAX_HEADERS = 8
MAX_HEADER_BYTES = 16 * 1024
MAX_FIELD_BYTES = 64 * 1024
"""Of all fields that are no files, which are read and left alone."""

OVERHEAD_BYTES = MAX_PARTS * 1024 + MAX_FILES * MAX_HEADER_BYTES + MAX_FIELD_BYTES
"""What a form may hold beside its files."""

HINT = "send it as curl does: curl -F file=@gateway.pcapng URL"


@dataclass(slots=True, kw_only=True)
class FormFile:
    """One file of a form."""

    name: str
    part: Part


class FormReader:
    """Takes a form apart while it arrives.

    Args:
        content_type: The request's header, with the boundary.
        open_part: Makes a part file.
        max_bytes: Most bytes of the whole form's files.
    """

    def __init__(self, content_type: str, open_part: Callable[[], Part], *, max_bytes: int) -> None:
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if not boundary:
            raise _malformed("its Content-Type names no boundary")
        self.files: list[FormFile] = []
        self._open_part = open_part
        self._max_bytes = max_bytes
        self._got_bytes = 0
        self._field_bytes = 0
        self._parts = 0
        self._headers: dict[str, bytes] = {}
        self._header_name = b""
        self._header_value = b""
        self._current: Part | None = None
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._take_name,
                    "on_header_value": self._take_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._take_data,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
                max_header_count=MAX_HEADERS,
                max_header_size=MAX_HEADER_BYTES,
            )
        except FormParserError as error:
            raise _malformed(str(error)) from error

    def write(self, data: bytes) -> None:
        """Reads on.

        Raises:
            Problem: It is no form, or passes a bound.
            OutgateError: A file in it cannot be taken.
        """
        self._got_bytes += len(data)
        if self._got_bytes > self._max_bytes + OVERHEAD_BYTES:
            raise TooLarge(self._max_bytes)
        if not data:
            return
        if self._ended:
            raise _malformed("something follows its end")
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _malformed(str(error)) from error

    def finish(self) -> list[FormFile]:
        """The files, all of them whole.

        Raises:
            Problem: The form breaks off, or holds no file.
        """
        if not self._ended:
            raise _malformed("it ends before its last boundary")
        if not self.files:
            raise Problem(
                "invalid-request",
                detail="cannot find a file in the form: no part has a filename",
                hint=HINT,
            )
        return self.files

    def discard(self) -> None:
        """Removes what did not become a capture."""
        for file in self.files:
            file.part.discard()

    # What the parser calls, in the order of a part

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise _malformed(f"it has more than {MAX_PARTS} parts")
        self._headers = {}
        self._current = None

    def _take_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _take_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._header_name.decode("latin-1").lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _end_headers(self) -> None:
        value = self._headers.get("content-disposition", b"")
        kind, options = parse_options_header(value.decode("latin-1"))
        if kind != b"form-data":
            raise _malformed("a part has no Content-Disposition: form-data")
        if b"filename" not in options:
            return
        if len(self.files) >= MAX_FILES:
            raise Problem(
                "limit-reached",
                detail=f"cannot take more than {MAX_FILES} files in one form",
                hint="send the others in another request",
            )
        name = clean_name(options[b"filename"].decode("utf-8", "replace"))
        self._current = self._open_part()
        self.files.append(FormFile(name=name, part=self._current))

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        if self._current is not None:
            self._current.write(data[start:end])
            return
        self._field_bytes += end - start
        if self._field_bytes > MAX_FIELD_BYTES:
            raise Problem(
                "body-too-large",
                detail=f"cannot read more than {MAX_FIELD_BYTES} bytes of fields that are no files",
                hint=HINT,
            )

    def _end_part(self) -> None:
        if self._current is not None:
            self._current.finish()  # refuses here what is no capture
        self._current = None

    def _end(self) -> None:
        self._ended = True


def _malformed(reason: str) -> Problem:
    return Problem(
        "malformed-body",
        detail=f"cannot read the form: {reason[:1].lower()}{reason[1:]}",
        hint=HINT,
    )
