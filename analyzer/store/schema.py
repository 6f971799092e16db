"""The tables, as SQLAlchemy Core describes them to SQLite and PostgreSQL alike.

This is the newest shape; `migrations/versions` holds the steps that lead to it, and a test compares
the two. Times are nanoseconds since 1970-01-01 UTC, 0 for "not yet"; text that is not known is "".
"""

from __future__ import annotations

import sqlalchemy as sa

METADATA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class PlainText(sa.types.TypeDecorator[str]):
    """Text either database takes: what a capture or a client sent may hold what they refuse.

    PostgreSQL stores no NUL and neither takes half a surrogate pair; both become U+FFFD.
    """

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002
        """Replaces what cannot be stored."""
        return None if value is None else plain(value)


def plain(text: str) -> str:
    """The text as it can be stored."""
    if text.isascii() and "\0" not in text:
        return text
    whole = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return whole.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _text(name: str, default: str = "") -> sa.Column[str]:
    return sa.Column(name, PlainText, nullable=False, server_default=default)


def _number(name: str, default: int = 0) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=str(default))


def _flag(name: str, *, default: bool = False) -> sa.Column[bool]:
    clause = sa.true() if default else sa.false()
    return sa.Column(name, sa.Boolean, nullable=False, server_default=clause)


def _json(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.JSON(none_as_null=True), nullable=True)


meta = sa.Table(
    "meta",
    METADATA,
    sa.Column("name", PlainText, primary_key=True),
    _text("value"),
)

counters = sa.Table(
    "counters",
    METADATA,
    sa.Column("name", PlainText, primary_key=True),
    _number("value"),
)

captures = sa.Table(
    "captures",
    METADATA,
    sa.Column("sha256", sa.Text, primary_key=True),
    _text("name"),
    _number("size_bytes"),
    _text("format"),
    _text("compression"),
    _flag("deleted"),
    _flag("legal_hold"),
    _text("hold_reason"),
    _number("created_ns"),
    _text("created_by"),
    _number("deleted_ns"),
    _text("deleted_by"),
    _text("delete_reason"),
    sa.Index(None, "created_ns"),
)

jobs = sa.Table(
    "jobs",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("capture", sa.Text, sa.ForeignKey("captures.sha256"), nullable=False),
    _text("state"),
    _text("stage"),
    _number("priority"),
    _number("attempt"),
    _number("max_attempts", 3),
    _number("bytes_done"),
    _number("bytes_total"),
    _number("findings"),
    _number("not_before_ns"),
    _number("created_ns"),
    _text("created_by"),
    _number("started_ns"),
    _number("finished_ns"),
    _flag("cancel_requested"),
    _text("error_code"),
    _text("error_message"),
    _text("error_hint"),
    _json("warnings"),
    _text("analysis_id"),
    _number("last_event"),
    sa.Index(None, "state", "priority"),
    sa.Index(None, "capture"),
    sa.Index(None, "created_ns"),
)

job_events = sa.Table(
    "job_events",
    METADATA,
    sa.Column("job_id", sa.Text, sa.ForeignKey("jobs.id"), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    _text("kind"),
    _number("at_ns"),
    _json("data"),
)

analyses = sa.Table(
    "analyses",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("job_id", sa.Text, sa.ForeignKey("jobs.id"), nullable=False),
    sa.Column("capture", sa.Text, sa.ForeignKey("captures.sha256"), nullable=False),
    _flag("current", default=True),
    _text("tool_version"),
    _text("ruleset_version"),
    _number("created_ns"),
    _json("report"),
    sa.Index(None, "capture"),
)

findings = sa.Table(
    "findings",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    _number("sequence"),
    _number("version"),
    _text("capture"),
    _text("analysis_id"),
    _flag("current", default=True),
    _text("detector"),
    _text("category"),
    _number("severity"),  # its rank, 0 info to 4 critical
    sa.Column("confidence", sa.Float(53), nullable=False),
    _text("title"),
    _text("src_ip"),
    _text("dst_ip"),
    _number("dst_port"),
    _text("wallet"),
    _text("pool"),
    _number("first_ns"),
    _number("last_ns"),
    _text("status"),
    _text("verdict"),
    _text("assignee"),
    _json("tags"),
    _number("created_ns"),
    _number("updated_ns"),
    _json("document"),
    sa.UniqueConstraint("sequence"),
    sa.Index(None, "severity", "confidence", "id"),
    sa.Index(None, "last_ns"),
    sa.Index(None, "capture"),
    sa.Index(None, "src_ip"),
    sa.Index(None, "dst_ip"),
)

finding_versions = sa.Table(
    "finding_versions",
    METADATA,
    sa.Column("finding_id", sa.Text, sa.ForeignKey("findings.id"), primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
    _number("at_ns"),
    _text("by"),
    _text("change"),
    _text("reason"),
    _json("changes"),
    _json("document"),
)

# SQLite gives out row numbers only to a column of exactly this type.
_ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")

comments = sa.Table(
    "comments",
    METADATA,
    sa.Column("id", _ROW_NUMBER, primary_key=True, autoincrement=True),
    sa.Column("finding_id", sa.Text, sa.ForeignKey("findings.id"), nullable=False),
    _number("at_ns"),
    _text("by"),
    _text("text"),
    sa.Index(None, "finding_id"),
)

suppressions = sa.Table(
    "suppressions",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    _text("kind"),
    _json("scope"),
    _text("reason"),
    _text("state"),
    _number("created_ns"),
    _text("created_by"),
    _number("expires_ns"),
    _number("ended_ns"),
    _text("ended_by"),
    _text("end_reason"),
    _number("hits"),
    _number("last_hit_ns"),
    sa.Index(None, "state"),
)

keys = sa.Table(
    "keys",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    _text("name"),
    _text("digest"),
    _json("scopes"),
    _number("created_ns"),
    _text("created_by"),
    _number("expires_ns"),
    _number("last_used_ns"),
    _number("revoked_ns"),
    _text("revoked_by"),
)

audit = sa.Table(
    "audit",
    METADATA,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    _number("at_ns"),
    _text("actor"),
    _text("action"),
    _text("subject"),
    _json("detail"),
    _text("source_ip"),
    _text("request_id"),
    _text("previous"),
    _text("digest"),
    sa.Index(None, "subject"),
)

sinks = sa.Table(
    "sinks",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    _text("name"),
    _text("kind"),
    _text("format"),
    _json("config"),
    _json("only"),
    _flag("enabled", default=True),
    _text("disabled_because"),
    _number("created_ns"),
    _text("created_by"),
    _number("last_success_ns"),
    _number("last_failure_ns"),
    _text("last_error"),
    sa.UniqueConstraint("name"),
)

outbox = sa.Table(
    "outbox",
    METADATA,
    sa.Column("id", _ROW_NUMBER, primary_key=True, autoincrement=True),
    sa.Column("sink_id", sa.Text, sa.ForeignKey("sinks.id"), nullable=False),
    sa.Column("finding_id", sa.Text, sa.ForeignKey("findings.id"), nullable=False),
    _number("version"),
    _text("state"),
    _number("attempts"),
    _number("next_ns"),
    _number("created_ns"),
    _number("done_ns"),
    _text("error"),
    sa.UniqueConstraint("sink_id", "finding_id", "version"),
    sa.Index(None, "sink_id", "state", "next_ns"),
    sqlite_autoincrement=True,
)

uploads = sa.Table(
    "uploads",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    _number("length"),
    _number("offset"),
    _json("metadata"),
    _number("created_ns"),
    _text("created_by"),
    _number("expires_ns"),
    _text("capture"),
    _text("job_id"),
    sa.Index(None, "expires_ns"),
)

idempotency = sa.Table(
    "idempotency",
    METADATA,
    sa.Column("actor", PlainText, primary_key=True),
    sa.Column("name", PlainText, primary_key=True),
    _text("request_digest"),
    _text("state"),
    _number("status"),
    _json("headers"),
    _text("body"),
    _number("created_ns"),
    sa.Index(None, "created_ns"),
)
