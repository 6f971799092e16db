"""Findings over HTTP: polled, read in any format, triaged, acted on in bulk."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from analyzer.errors import StoreUnavailable
from analyzer.formats import FORMATS
from tests.stored import WALLET, analyse, document

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from analyzer.store import Store
    from tests.asgi import ApiClient
    from tests.conftest import CheckFinding

LIST = "/v1/findings"
ACTIONS = "/v1/findings/actions"
ID_1, ID_2, ID_3 = (document(number)["id"] for number in (1, 2, 3))
ONE = f"{LIST}/{ID_1}"
HOSTILE = "a\x00b\x1b[31m\u202e\r\n\"'<script>\\ud800\u2028" + "x" * 10_000


@pytest.fixture
def three(store: Store) -> None:
    """Three findings of one capture."""
    analyse(store, [document(number) for number in (1, 2, 3)])


def ids(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [one["id"] for one in response.json()["data"]]


def problem(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json", response.text
    return response.status_code, response.json()["code"]


def patch(client: ApiClient, etag: str, **body: Any) -> httpx.Response:
    headers = {"Content-Type": "application/merge-patch+json"} | (
        {"If-Match": etag} if etag else {}
    )
    return client.patch(ONE, headers=headers, content=json.dumps(body))


def act(client: ApiClient, action: str, **body: Any) -> httpx.Response:
    return client.post(ACTIONS, json={"action": action, "reason": "because", **body})


# --- polling ---


def test_an_empty_store_gives_a_cursor_and_nothing_else(admin: ApiClient) -> None:
    body = admin.get(LIST).json()

    assert body["data"] == []
    assert body["page"].pop("next_cursor")
    assert body["page"] == {"has_more": False, "hidden": 0}


def test_a_poller_that_stores_one_value_gets_everything_once(
    store: Store, admin: ApiClient
) -> None:
    got: list[tuple[str, int]] = []
    cursor = ""

    def poll() -> None:
        nonlocal cursor
        more = True
        while more:
            body = admin.get(LIST, params={"limit": 2, "cursor": cursor}).json()
            got.extend((one["id"], one["version"]) for one in body["data"])
            cursor, more = body["page"]["next_cursor"], body["page"]["has_more"]

    poll()
    analyse(store, [document(1), document(2), document(3)])
    poll()
    poll()
    analyse(store, [document(10)], b"a capture that comes late")
    analyse(store, [document(1, severity="low"), document(2)])
    patch(admin, "*", status="resolved")
    poll()

    late = document(10)["id"]
    assert got == [(ID_1, 1), (ID_2, 1), (ID_3, 1), (late, 1), (ID_1, 3)]


def test_the_cursor_stays_as_it_is_while_nothing_is_new(three: None, admin: ApiClient) -> None:
    cursor = admin.get(LIST).json()["page"]["next_cursor"]

    again = admin.get(LIST, params={"cursor": cursor}).json()

    assert (again["data"], again["page"]["next_cursor"]) == ([], cursor)


def test_lines_come_with_the_cursor_in_a_header(three: None, admin: ApiClient) -> None:
    response = admin.get(LIST, headers={"Accept": "application/x-ndjson"}, params={"limit": 2})

    assert response.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["id"] for line in response.text.splitlines()] == [ID_1, ID_2]
    cursor = response.headers["Outgate-Next-Cursor"]
    assert ids(admin.get(LIST, params={"cursor": cursor})) == [ID_3]


def test_what_is_hidden_is_said(store: Store, three: None, admin: ApiClient) -> None:
    act(admin, "suppress", ids=[ID_1, ID_3])

    hide = admin.get(LIST).json()

    assert [one["id"] for one in hide["data"]] == [ID_2]
    assert hide["page"]["hidden"] == 2
    only = admin.get(LIST, params={"suppressed": "only"})
    assert ids(only) == [ID_1, ID_3]
    assert all(one["suppressed_by"].startswith("s-") for one in only.json()["data"])
    assert ids(admin.get(LIST, params={"suppressed": "show"})) == [ID_1, ID_2, ID_3]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"severity_at_least": "high"}, [ID_1, ID_2]),
        ({"severity_at_least": "info"}, [ID_1, ID_2, ID_3]),
        ({"confidence_at_least": 0.95}, [ID_2]),
        ({"detector": ["tunnel.relay", "tunnel.ssh_reverse"]}, [ID_3]),
        ({"category": "tunnel"}, [ID_3]),
        ({"host": "2001:DB8:0::7"}, [ID_3]),
        ({"status": ["acknowledged", "resolved"]}, [ID_2]),
        ({"verdict": "none"}, [ID_1, ID_3]),
        ({"verdict": ["none", "true_positive"]}, [ID_1, ID_2, ID_3]),
        ({"assignee": "ana"}, [ID_2]),
        ({"wallet": WALLET}, [ID_1, ID_2]),
        ({"pool": "pool.example.com"}, [ID_1, ID_2]),
        ({"text": "100% _sure\\"}, [ID_3]),
        ({"text": "%"}, [ID_3]),
        ({"seen_after": "2026-03-02T09:01:02Z"}, [ID_2, ID_3]),
        ({"seen_before": "2026-03-02T10:00:02+01:00"}, [ID_1]),
        ({"since": "2020-01-01T00:00:00Z"}, [ID_1, ID_2, ID_3]),
        ({"since": "9999-12-31T23:59:59Z"}, []),
        ({"since": "0001-01-01T00:00:00Z"}, [ID_1, ID_2, ID_3]),
        ({"severity_at_least": "high", "category": "tunnel"}, []),
    ],
)
def test_each_condition_does_what_it_says(
    store: Store, admin: ApiClient, asked: dict[str, Any], found: list[str]
) -> None:
    other = {"pool": None, "wallet": "other"}
    tunnel = document(
        3,
        severity="low",
        detector="tunnel.relay",
        category="tunnel",
        title="100% _sure\\",
        flow={"src_ip": "2001:db8::7"},
        attributes=other,
    )
    analyse(store, [document(1), document(2, confidence=0.99), tunnel])
    act(admin, "resolve", ids=[ID_2], verdict="true_positive")
    act(admin, "assign", ids=[ID_2], assignee="ana")

    assert sorted(ids(admin.get(LIST, params=asked))) == found


NONSENSE_QUERIES: list[dict[str, Any]] = [
    {"serverity_at_least": "high"},
    {"severity_at_least": "worst"},
    {"confidence_at_least": 2},
    {"confidence_at_least": "nan"},
    {"host": "pool.example.com"},
    {"host": ["192.0.2.1"] * 101},
    {"detector": ["x"] * 101},
    {"detector": "x" * 101},
    {"capture": "abc"},
    {"text": "x" * 201},
    {"since": "yesterday"},
    {"since": "2026-01-01T00:00:00"},
    {"limit": 0},
    {"limit": 1001},
    {"limit": "1e3"},
    {"sort": "best"},
    {"suppressed": "maybe"},
    {"format": "x" * 41},
]


def test_what_makes_no_sense_is_refused_and_named(admin: ApiClient) -> None:
    for asked in NONSENSE_QUERIES:
        response = admin.get(LIST, params=asked)

        assert problem(response) == (422, "invalid-request"), asked
        assert response.json()["errors"][0]["pointer"].startswith(f"query/{next(iter(asked))}")


def test_nul_anywhere_is_refused(admin: ApiClient) -> None:
    for path in (f"{LIST}/f%00", f"{LIST}?text=%00", f"{LIST}/f%00/comments"):
        assert admin.get(path).status_code == 400


# --- formats ---


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_written_for_one_and_for_many(
    three: None, admin: ApiClient, name: str
) -> None:
    one = admin.get(ONE, params={"format": name})
    many = admin.get(LIST, params={"format": name})

    assert one.status_code == many.status_code == 200
    assert one.headers["content-type"].split(";")[0] == FORMATS[name].media_type.split(";")[0]
    if name != "native":
        kind = FORMATS[name].many_media_type
        assert many.headers["content-type"].split(";")[0] == kind.split(";")[0]
        assert many.headers["Outgate-Next-Cursor"]
    if FORMATS[name].line and name != "native":
        assert len(many.text.splitlines()) == 3


def test_accept_chooses_the_format(three: None, admin: ApiClient) -> None:
    stix = admin.get(ONE, headers={"Accept": "text/html;q=0.1, application/stix+json;q=0.9"})
    assert stix.json()["type"] == "bundle"
    ecs = admin.get(LIST, headers={"Accept": FORMATS["ecs"].media_type})
    assert json.loads(ecs.text.splitlines()[0])["ecs"]
    wins = admin.get(ONE, headers={"Accept": FORMATS["ecs"].media_type}, params={"format": "cef"})
    assert wins.text.startswith("CEF:0|")
    assert ids(admin.get(LIST, headers={"Accept": "*/*"})) == [ID_1, ID_2, ID_3]


@pytest.mark.parametrize("path", [LIST, ONE])
def test_a_format_that_is_not_known_is_refused_with_those_that_are(
    three: None, admin: ApiClient, path: str
) -> None:
    unknown = admin.get(path, params={"format": "xml"})
    unliked = admin.get(path, headers={"Accept": "image/png"})

    assert problem(unknown) == (400, "bad-request")
    assert problem(unliked) == (406, "not-acceptable")
    for answer in (unknown, unliked):
        assert all(name in answer.json()["hint"] for name in FORMATS)


def test_hostile_text_stays_within_its_json_string(store: Store, admin: ApiClient) -> None:
    analyse(store, [document(1, title=HOSTILE, attributes={"agent": HOSTILE})])
    for response in (
        admin.get(ONE),
        admin.get(LIST),
        admin.get(LIST, headers={"Accept": "application/x-ndjson"}),
    ):
        assert response.status_code == 200
        assert response.content.isascii()
        assert b"\x1b" not in response.content
        assert b"<script>" not in response.content
        assert len(response.text.splitlines()) == 1
        body = response.json()
        found = body["data"][0] if "data" in body else body
        assert "[31m" in found["title"]
        assert found["title"].endswith("x" * 10_000)


def test_a_page_that_breaks_in_the_middle_is_no_page(
    three: None, admin: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StoreUnavailable("cannot use the database")

    monkeypatch.setattr("analyzer.store.findings.Findings.page", refuse)

    response = admin.get(LIST)

    assert problem(response) == (503, "unavailable")
    assert response.headers["Retry-After"]


# --- one finding ---


def test_one_finding_is_the_contracts_document_and_more(
    three: None, admin: ApiClient, check_finding: CheckFinding
) -> None:
    found = admin.get(ONE).json()

    check_finding({name: value for name, value in found.items() if name in document()})
    assert (found["version"], found["status"], found["verdict"], found["tags"]) == (
        1,
        "new",
        "",
        [],
    )


def test_an_unchanged_finding_is_not_sent_again(three: None, admin: ApiClient) -> None:
    first = admin.get(ONE)
    etag = first.headers["etag"]

    assert etag.startswith('"v1-')
    assert admin.get(ONE, headers={"If-None-Match": etag}).status_code == 304
    assert admin.get(ONE, headers={"If-None-Match": f'"x", W/{etag}'}).status_code == 304
    assert admin.get(ONE, headers={"If-None-Match": '"v1"'}).status_code == 200
    assert admin.get(ONE, params={"format": "cef"}).headers["etag"] != etag


def test_the_etag_changes_with_whatever_the_body_says(
    store: Store, three: None, admin: ApiClient
) -> None:
    before = admin.get(ONE).headers["etag"]
    act(admin, "suppress", ids=[ID_1])

    after = admin.get(ONE, headers={"If-None-Match": before})

    assert after.status_code == 200
    assert after.json()["suppressed_by"]
    assert after.json()["version"] == 1


def test_what_is_not_there_is_not_found(admin: ApiClient) -> None:
    for path in ("f-none", "f-none/versions", "f-none/comments", "é", "'; DROP TABLE findings --"):
        assert problem(admin.get(f"{LIST}/{path}")) == (404, "not-found")
    assert problem(admin.get(f"{LIST}/{'x' * 201}")) == (422, "invalid-request")


def pages(client: ApiClient, **asked: Any) -> Iterator[list[str]]:
    cursor, more = "", True
    while more:
        answer = client.get(LIST, params={"cursor": cursor, **asked})
        yield ids(answer)
        cursor, more = answer.json()["page"]["next_cursor"], answer.json()["page"]["has_more"]


@pytest.mark.parametrize("sort", ["feed", "worst", "latest"])
def test_pages_of_each_order_hold_everything_once(
    store: Store, admin: ApiClient, sort: str
) -> None:
    severities = ["low", "critical", "info", "high", "critical"]
    analyse(store, [document(n, severity=severity) for n, severity in enumerate(severities)])

    found = [finding_id for page in pages(admin, sort=sort, limit=2) for finding_id in page]

    assert sorted(found) == [document(number)["id"] for number in range(5)]
    if sort == "worst":
        assert found[-1] == document(2)["id"]
