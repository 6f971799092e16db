"""The log of the service: one JSON object a line on standard error, times in UTC.

It holds names, ids, paths and figures; never a body, a key, a cookie or a query.
"""

from __future__ import annotations

import json
import logging
import sys
import time

from analyzer.escape import JSON_MARKUP, shorten
from analyzer.times import rfc3339

MAX_MESSAGE_CHARS = 2000
MAX_TRACE_CHARS = 20_000
_MILLISECOND_NS = 1_000_000
FIELDS = (
    "request_id",
    "method",
    "path",
    "route",
    "status",
    "broken",
    "bytes",
    "duration_ms",
    "caller",
    "source",
    "job",
    "capture",
    "sink",
    "code",
)
"""Fields a record may carry by `extra=`."""

QUIET = ("httpx", "httpcore", "alembic", "authlib")
"""Libraries that say too much of what goes well."""


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        entry: dict[str, object] = {
            "time": rfc3339(int(record.created * 1000) * _MILLISECOND_NS, _MILLISECOND_NS),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": shorten(record.getMessage(), MAX_MESSAGE_CHARS),
        }
        for name in FIELDS:
            if hasattr(record, name):
                entry[name] = getattr(record, name)
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)[-MAX_TRACE_CHARS:]
        return json.dumps(entry, default=str).translate(JSON_MARKUP)


def configure(level: str = "INFO") -> None:
    """Sends all logs of this process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = name != "uvicorn.access"  # our own line says more
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.Formatter.converter = time.gmtime
