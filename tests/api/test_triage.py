"""Findings triaged, commented on and acted on in bulk over HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from analyzer.store.findings import MAX_BULK
from analyzer.store.records import Scope
from tests.stored import analyse, document

if TYPE_CHECKING:
    import httpx

    from analyzer.store import Store
    from tests.api.conftest import MakeClient
    from tests.asgi import ApiClient

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


# --- triage ---


def test_triage_changes_what_is_named_and_gives_the_next_tag(three: None, admin: ApiClient) -> None:
    etag = admin.get(ONE).headers["etag"]

    answer = patch(
        admin, etag, status="in_case", verdict="true_positive", tags=["x", "y"], reason="case 7"
    )

    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["status"], found["verdict"], found["tags"]) == (
        "in_case",
        "true_positive",
        ["x", "y"],
    )
    assert found["version"] == 2
    assert answer.headers["etag"] == admin.get(ONE).headers["etag"]
    entry = admin.get(f"{ONE}/versions").json()["data"][-1]
    assert (entry["change"], entry["reason"]) == ("triage", "case 7")
    assert entry["by"].startswith("key:")


def test_null_puts_back_what_was_at_first(three: None, admin: ApiClient) -> None:
    patch(admin, "*", status="resolved", verdict="benign", assignee="ana", tags=["x"])

    found = patch(admin, "*", status=None, verdict=None, assignee=None, tags=None).json()

    assert (found["status"], found["verdict"], found["assignee"], found["tags"]) == (
        "new",
        "",
        "",
        [],
    )


def test_two_people_at_once_do_not_overwrite_each_other(three: None, admin: ApiClient) -> None:
    etag = admin.get(ONE).headers["etag"]
    assert patch(admin, etag, assignee="ana").status_code == 200

    late = patch(admin, etag, assignee="ben")

    assert problem(late) == (412, "stale-version")
    assert admin.get(ONE).json()["assignee"] == "ana"


@pytest.mark.parametrize("etag", ['"v1"', '"1"', '"v1-0123456789ab"', "*"])
def test_every_way_to_name_the_version_is_taken(three: None, admin: ApiClient, etag: str) -> None:
    assert patch(admin, etag, assignee="ana").status_code == 200


NO_VERSIONS = ["v1", 'W/"v1"', '"v1", "v2"', '"x"', '"v-1"', '"v' + "9" * 30 + '"', '""']


def test_a_tag_that_names_no_version_changes_nothing(three: None, admin: ApiClient) -> None:
    for etag in NO_VERSIONS:
        assert problem(patch(admin, etag, assignee="ana")) == (412, "stale-version"), etag
    assert admin.get(ONE).json()["version"] == 1


def test_a_change_without_a_version_is_refused(three: None, admin: ApiClient) -> None:
    assert problem(patch(admin, "", assignee="ana")) == (428, "precondition-required")


NONSENSE_CHANGES: list[dict[str, Any]] = [
    {},
    {"reason": "x"},
    {"status": "done"},
    {"verdict": "maybe"},
    {"tags": ["x"] * 51},
    {"tags": [""]},
    {"tags": ["x" * 101]},
    {"assignee": "x" * 201},
    {"reason": "x" * 2001, "status": "new"},
    {"title": "another"},
    {"version": 7, "status": "new"},
]


def test_a_change_that_makes_no_sense_is_refused(three: None, admin: ApiClient) -> None:
    for body in NONSENSE_CHANGES:
        assert patch(admin, "*", **body).status_code in {400, 422}, body
    assert admin.get(ONE).json()["version"] == 1


NO_OBJECTS = [b"[]", b"null", b'"x"', b"{", b'{"status":NaN}', b'{"assignee":"a\\u0000"}', b"\xff"]


def test_a_body_that_is_no_object_is_refused(three: None, admin: ApiClient) -> None:
    headers = {"Content-Type": "application/merge-patch+json", "If-Match": "*"}
    for content in NO_OBJECTS:
        answer = admin.patch(ONE, headers=headers, content=content)
        assert answer.status_code in {400, 422}, content


# --- comments ---


def test_comments_are_kept_in_order(three: None, admin: ApiClient) -> None:
    for text in ("first", "second \N{SNOWMAN}\n"):
        made = admin.post(f"{ONE}/comments", json={"text": text})
        assert made.status_code == 201

    found = admin.get(f"{ONE}/comments").json()["data"]

    assert [entry["text"] for entry in found] == ["first", "second \N{SNOWMAN}\n"]
    assert all(entry["by"].startswith("key:") and entry["at"] for entry in found)
    assert admin.get(ONE).json()["version"] == 3
    for text in ("", " ", "x" * 10_001):
        assert admin.post(f"{ONE}/comments", json={"text": text}).status_code == 422


def test_a_comment_sent_twice_with_one_key_is_written_once(three: None, admin: ApiClient) -> None:
    headers = {"Idempotency-Key": '"comment-1"'}
    first, again = (
        admin.post(f"{ONE}/comments", json={"text": "once"}, headers=headers) for _ in range(2)
    )

    assert first.json() == again.json()
    assert len(admin.get(f"{ONE}/comments").json()["data"]) == 1


# --- many at once ---


@pytest.mark.parametrize(
    ("action", "given", "shown"),
    [
        ("acknowledge", {}, {"status": "acknowledged"}),
        ("resolve", {}, {"status": "resolved", "verdict": ""}),
        ("resolve", {"verdict": "benign"}, {"status": "resolved", "verdict": "benign"}),
        ("reopen", {}, {"status": "new"}),
        ("assign", {"assignee": "ana"}, {"assignee": "ana"}),
        ("tag", {"tags": ["a", "b"]}, {"tags": ["a", "b"]}),
        ("untag", {"tags": ["a"]}, {"tags": []}),
    ],
)
def test_each_action_does_what_it_says(
    three: None, admin: ApiClient, action: str, given: dict[str, Any], shown: dict[str, Any]
) -> None:
    answer = act(admin, action, ids=[ID_1, ID_3], **given)

    assert answer.status_code == 200, answer.text
    assert (answer.json()["done"], answer.json()["not_found"]) == (2, 0)
    found = admin.get(ONE).json()
    assert {name: found[name] for name in shown} == shown
    assert admin.get(f"{LIST}/{ID_2}").json()["version"] == 1


def test_unknown_ids_are_said_and_leave_the_others_alone(three: None, admin: ApiClient) -> None:
    answer = act(admin, "tag", tags=["x"], ids=[ID_2, "f-none", ID_1, ID_2]).json()

    assert answer["data"] == [
        {"id": ID_2, "result": "done", "version": 2},
        {"id": "f-none", "result": "not-found", "version": None},
        {"id": ID_1, "result": "done", "version": 2},
    ]
    nothing = act(admin, "tag", tags=["x"], ids=["f-none"])
    assert (nothing.status_code, nothing.json()["done"]) == (200, 0)


def test_a_filter_names_what_it_matches_now(store: Store, admin: ApiClient) -> None:
    analyse(store, [document(1, severity="low"), document(2), document(3, severity="critical")])

    answer = act(admin, "acknowledge", filter={"severity_at_least": "high"}).json()

    assert [one["id"] for one in answer["data"]] == [ID_3, ID_2]
    assert ids(admin.get(LIST, params={"status": "new"})) == [ID_1]


def test_a_filter_that_matches_too_many_changes_nothing(store: Store, admin: ApiClient) -> None:
    analyse(store, [document(number) for number in range(MAX_BULK + 1)])

    answer = act(admin, "acknowledge", filter={"category": ["mining"]})

    assert problem(answer) == (413, "limit-reached")
    assert ids(admin.get(LIST, params={"status": "acknowledged"})) == []
    whole = [document(number)["id"] for number in range(MAX_BULK)]
    assert act(admin, "acknowledge", ids=whole).json()["done"] == MAX_BULK


def test_one_comment_is_written_under_many(three: None, admin: ApiClient) -> None:
    act(admin, "comment", ids=[ID_1, ID_2], text="the same host")

    for finding_id in (ID_1, ID_2):
        (comment,) = admin.get(f"{LIST}/{finding_id}/comments").json()["data"]
        assert comment["text"] == "the same host"


def test_suppressing_many_is_one_suppression_undone_in_one_step(
    three: None, admin: ApiClient
) -> None:
    answer = act(admin, "suppress", ids=[ID_1, ID_2]).json()
    made = admin.get(f"/v1/suppressions/{answer['suppression_id']}").json()

    assert made["scope"] == {"finding": [ID_1, ID_2]}
    assert made["expires_at"] is not None
    assert ids(admin.get(LIST)) == [ID_3]
    cursor = admin.get(LIST).json()["page"]["next_cursor"]
    admin.delete(f"/v1/suppressions/{made['id']}", params={"reason": "no noise"})
    assert ids(admin.get(LIST, params={"cursor": cursor})) == [ID_1, ID_2]


NONSENSE_ACTIONS: list[dict[str, Any]] = [
    {"action": "acknowledge"},
    {"action": "acknowledge", "ids": []},
    {"action": "acknowledge", "ids": [ID_1], "filter": {"category": ["mining"]}},
    {"action": "acknowledge", "filter": {}},
    {"action": "acknowledge", "filter": {"nonsense": 1}},
    {"action": "acknowledge", "ids": ["x"] * (MAX_BULK + 1)},
    {"action": "acknowledge", "ids": [ID_1], "reason": ""},
    {"action": "acknowledge", "ids": [ID_1], "tags": ["x"]},
    {"action": "acknowledge", "ids": [ID_1], "verdict": "benign"},
    {"action": "delete", "ids": [ID_1]},
    {"action": "assign", "ids": [ID_1]},
    {"action": "tag", "ids": [ID_1]},
    {"action": "tag", "ids": [ID_1], "tags": []},
    {"action": "comment", "ids": [ID_1]},
    {"action": "suppress", "ids": [ID_1], "expires_at": "2001-01-01T00:00:00Z"},
]


def test_an_action_that_makes_no_sense_is_refused(three: None, admin: ApiClient) -> None:
    for body in NONSENSE_ACTIONS:
        answer = admin.post(ACTIONS, json={"reason": "because", **body})
        assert answer.status_code in {400, 422}, body
    assert admin.get(ONE).json()["version"] == 1


def test_a_reason_is_required(three: None, admin: ApiClient) -> None:
    answer = admin.post(ACTIONS, json={"action": "acknowledge", "ids": [ID_1]})

    assert problem(answer) == (422, "invalid-request")


def test_readers_read_and_triagers_change(three: None, client_with: MakeClient) -> None:
    reader, triager = client_with(Scope.FINDINGS_READ), client_with(Scope.FINDINGS_TRIAGE)

    assert reader.get(LIST).status_code == 200
    assert patch(reader, "*", assignee="x").status_code == 403
    assert act(reader, "acknowledge", ids=[ID_1]).status_code == 403
    assert patch(triager, "*", assignee="x").status_code == 200
    assert triager.get(LIST).status_code == 403
