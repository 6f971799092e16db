"""The catalogue of everything that can go wrong, as RFC 9457 problem types.

One entry for each code. `docs/problems.md` is written from it, `GET /v1/problems/{code}` answers
with it, and every problem's `type` leads to its entry.
"""

from __future__ import annotations

from dataclasses import dataclass

TYPE_PREFIX = "/v1/problems/"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemKind:
    """One kind of problem.

    Attributes:
        code: Its name, stable for programs.
        status: The HTTP status it is answered with.
        title: What happened, the same words each time.
        meaning: When it happens.
        remedy: What a caller does about it.
    """

    code: str
    status: int
    title: str
    meaning: str
    remedy: str

    @property
    def type(self) -> str:
        """The `type` member of RFC 9457: a path of this service that describes the problem."""
        return TYPE_PREFIX + self.code


def _kind(code: str, status: int, title: str, meaning: str, remedy: str) -> ProblemKind:
    return ProblemKind(code=code, status=status, title=title, meaning=meaning, remedy=remedy)


_KINDS = (
    _kind(
        "bad-request",
        400,
        "the request cannot be followed",
        "A parameter, a header or the path holds what it never may: a NUL byte, a malformed value,"
        " a combination that makes no sense.",
        "Read `detail` and `hint`, correct the request, send it again.",
    ),
    _kind(
        "malformed-body",
        400,
        "the body cannot be read",
        "The body is not what its media type says: broken JSON, JSON nested too deeply, NaN,"
        " a number of thousands of digits, text that is not UTF-8, a broken multipart.",
        "Send RFC 8259 JSON in UTF-8, or a well-formed upload.",
    ),
    _kind(
        "unauthenticated",
        401,
        "the caller is not known",
        "No key, session or token was sent, or it is unknown, expired or revoked.",
        "Send `Authorization: Bearer og_…`; an administrator makes keys with `POST /v1/keys`.",
    ),
    _kind(
        "forbidden",
        403,
        "the caller may not do this",
        "The key or session is valid and lacks the scope that `detail` names.",
        "Use a key with that scope, or have an administrator make one.",
    ),
    _kind(
        "cross-site",
        403,
        "the request comes from another site",
        "A browser session was used for a change from a page of another origin.",
        "Send the request from a page of this service, or use an API key.",
    ),
    _kind(
        "not-found",
        404,
        "there is no such thing",
        "The id in the path is not known here, or the thing was removed.",
        "List the collection to see which ids there are.",
    ),
    _kind(
        "unknown-path",
        404,
        "there is no such path",
        "No route of this service has that path.",
        "`/v1/openapi.json` lists all paths.",
    ),
    _kind(
        "method-not-allowed",
        405,
        "the path does not take this method",
        "The path exists, the method does not apply to it.",
        "The `Allow` header names the methods it takes.",
    ),
    _kind(
        "not-acceptable",
        406,
        "the answer cannot be given in that format",
        "Neither the `Accept` header nor `format` names something this route can write.",
        "`detail` lists the formats there are.",
    ),
    _kind(
        "body-too-slow",
        408,
        "the body did not arrive in time",
        "The client sent nothing, or not all of it, for longer than this service waits.",
        "Send it again; over a line that breaks, use a resumable upload (`/v1/uploads`).",
    ),
    _kind(
        "conflict",
        409,
        "the thing is in a state that does not allow this",
        "It is under legal hold, still running, already ended, or its name is taken.",
        "Read it to see its state, then decide.",
    ),
    _kind(
        "request-in-flight",
        409,
        "the same request is still being worked on",
        "An earlier request with this `Idempotency-Key` has not been answered yet.",
        "Wait a moment and repeat the request with the same key.",
    ),
    _kind(
        "gone",
        410,
        "the thing is no longer here",
        "It was removed or has expired; its record stays.",
        "Start again from the beginning, for example with a new upload.",
    ),
    _kind(
        "stale-version",
        412,
        "somebody else changed it in between",
        "`If-Match` names another version than the current one.",
        "Read it again, look at what changed, and repeat the change.",
    ),
    _kind(
        "unsupported-tus-version",
        412,
        "that version of the upload protocol is not spoken here",
        "The `Tus-Resumable` header is missing or names another version of tus.",
        "Send `Tus-Resumable: 1.0.0`.",
    ),
    _kind(
        "body-too-large",
        413,
        "the body is too large",
        "The body is, or announces to be, larger than this route takes.",
        "`GET /v1/limits` shows the sizes; large captures go through `/v1/uploads`.",
    ),
    _kind(
        "limit-reached",
        413,
        "a bound of the service would be passed",
        "The request asks for more than a bound allows; `detail` names the bound.",
        "Ask for less, remove what is no longer needed, or have the bound raised.",
    ),
    _kind(
        "unsupported-media-type",
        415,
        "the body's media type is not taken here",
        "The `Content-Type` header is missing or names something this route does not read.",
        "`hint` names the media types it takes.",
    ),
    _kind(
        "not-a-capture",
        415,
        "the file is no capture",
        "Its first bytes are not those of pcap or pcapng, as it is or compressed with gzip or zstd;"
        " `detail` says what it looks like.",
        "Send the capture itself; `hint` says how other formats are converted.",
    ),
    _kind(
        "range-not-satisfiable",
        416,
        "the range lies outside the thing",
        "The `Range` header asks for bytes that are not there.",
        "`Content-Range` gives the size.",
    ),
    _kind(
        "misdirected",
        421,
        "this is not the host that was meant",
        "The `Host` header names a host this service does not answer for. A service without public"
        " names answers for loopback names alone, so that no web page can reach it by DNS.",
        "Use http://127.0.0.1 or a name given with `--allowed-host`.",
    ),
    _kind(
        "invalid-request",
        422,
        "values of the request are not valid",
        "Parameters or members of the body are missing, of the wrong type or out of range;"
        " `errors` names each with its place.",
        "Correct the values that `errors` points to.",
    ),
    _kind(
        "key-reused",
        422,
        "the idempotency key was used for another request",
        "An earlier request had the same `Idempotency-Key` and another body or path.",
        "Use a new key for a new request.",
    ),
    _kind(
        "capture-unreadable",
        422,
        "the capture cannot be read",
        "The file is no pcap or pcapng, or what it holds cannot be reached.",
        "Check the file with `outgate info`.",
    ),
    _kind(
        "upload-locked",
        423,
        "another request is writing to the upload",
        "An upload takes one piece at a time.",
        "Wait a moment, ask for the offset with HEAD, go on from there.",
    ),
    _kind(
        "precondition-required",
        428,
        "the change needs an If-Match header",
        "Changes of this thing name the version they start from, so that none is lost.",
        'Read it, then send its `ETag` as `If-Match: "…"`.',
    ),
    _kind(
        "rate-limited",
        429,
        "too many requests",
        "The key or the address has used up its requests for now.",
        "Wait as many seconds as `Retry-After` says.",
    ),
    _kind(
        "headers-too-large",
        431,
        "the headers are too many or too large",
        "The request has more headers, or longer ones, than this service takes.",
        "Send fewer and shorter headers.",
    ),
    _kind(
        "checksum-mismatch",
        460,
        "the piece was damaged on its way",
        "Its bytes do not have the checksum in `Upload-Checksum`; none of them was kept.",
        "Send the piece again.",
    ),
    _kind(
        "internal",
        500,
        "the service failed",
        "A fault of the service; its log has the details under the request id.",
        "Report it with `request_id`.",
    ),
    _kind(
        "tool-missing",
        501,
        "a program this needs is not installed",
        "The route needs another program, such as tshark, that this machine does not have.",
        "Install the program that `detail` names.",
    ),
    _kind(
        "unavailable",
        503,
        "the service cannot do this now",
        "The database, the disk or the workers refuse for the moment.",
        "Wait as `Retry-After` says; `/readyz` names the part that fails.",
    ),
    _kind(
        "disk-full",
        507,
        "there is no room left to store this",
        "The disk holds less free space than the service keeps in reserve.",
        "Free space in the data folder, or lower retention.",
    ),
)

CATALOGUE = {kind.code: kind for kind in _KINDS}
"""Every kind by its code, in the order of their statuses."""


def catalogue_page() -> str:
    """The text of `docs/problems.md`."""
    lines = [
        "# Problems",
        "",
        "Every error of the service is an RFC 9457 problem (`application/problem+json`):",
        "",
        "- `type` a path of the service that describes it, `title`, `status`, `code`",
        "- `detail` what could not be done, where and why; `hint` what to do next",
        "- `instance` the path asked for; `errors` `pointer` and `detail` of invalid values",
        "- `request_id` the same as in the log and in the `X-Request-Id` header",
        "",
        "Programs decide by `code`; new codes may be added, their meanings stay.",
        "",
        "This page is written by `scripts/gen`.",
        "",
    ]
    for kind in CATALOGUE.values():
        lines += [f"## {kind.code}", "", f"{kind.status}: {kind.title}.", ""]
        lines += [kind.meaning, "", f"What to do: {kind.remedy}", ""]
    return "\n".join(lines[:-1]) + "\n"
