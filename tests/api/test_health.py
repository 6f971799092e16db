"""Whether the service says what it is and whether it works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer import __version__
from analyzer.store.records import Scope
from api import readiness

if TYPE_CHECKING:
    import pytest
    from fastapi import FastAPI

    from analyzer.store import Store
    from api.settings import ServiceSettings
    from tests.api.conftest import MakeClient
    from tests.asgi import ApiClient


class Running:
    """Stands for a supervisor."""

    def __init__(self, *, alive: bool, paused: str = "") -> None:
        self.alive = alive
        self.paused = paused

    def status(self) -> Running:
        return self


def states(answer: dict[str, object]) -> dict[str, str]:
    listed = answer["components"]
    assert isinstance(listed, list)
    return {entry["name"]: entry["state"] for entry in listed}


def test_the_service_says_that_it_is_up_to_anybody(nobody: ApiClient) -> None:
    response = nobody.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_the_version_names_the_program_the_rules_and_the_store(admin: ApiClient) -> None:
    answer = admin.get("/v1/version").json()
    assert answer["version"] == __version__
    assert answer["finding_schema"] == "outgate/finding/1"
    assert answer["database"] == "sqlite"
    assert answer["ruleset_version"]
    assert answer["schema_revision"]


def test_a_service_whose_parts_work_is_ready(app: FastAPI, nobody: ApiClient) -> None:
    app.state.outgate.supervisor = Running(alive=True)
    response = nobody.get("/readyz")
    assert response.status_code == 200
    assert states(response.json()) == dict.fromkeys(("database", "disk", "workers", "sinks"), "ok")


def test_a_stopped_supervisor_makes_the_service_unready(app: FastAPI, nobody: ApiClient) -> None:
    app.state.outgate.supervisor = Running(alive=False)
    response = nobody.get("/readyz")
    assert response.status_code == 503
    assert states(response.json())["workers"] == "failed"


def test_workers_that_pause_are_shown_and_the_service_still_serves(
    app: FastAPI, nobody: ApiClient
) -> None:
    app.state.outgate.supervisor = Running(alive=True, paused="the disk is nearly full")
    response = nobody.get("/readyz")
    assert response.status_code == 200
    assert states(response.json())["workers"] == "degraded"


def test_a_full_disk_makes_the_service_unready(
    app: FastAPI, nobody: ApiClient, settings: ServiceSettings
) -> None:
    app.state.outgate.settings = settings.model_copy(update={"min_free": 2**60})
    response = nobody.get("/readyz")
    assert response.status_code == 503
    assert states(response.json())["disk"] == "failed"


def test_a_lost_database_makes_the_service_unready_and_is_no_fault(
    nobody: ApiClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OSError("gone, with a path nobody shall see")

    monkeypatch.setattr(store.database, "read", refuse)
    response = nobody.get("/readyz")
    assert response.status_code == 503
    assert states(response.json())["database"] == "failed"
    assert "path" not in response.text


def test_asking_often_asks_the_parts_once_a_second(
    app: FastAPI, nobody: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.state.outgate.supervisor = Running(alive=True)
    assert nobody.get("/readyz").status_code == 200
    app.state.outgate.supervisor = Running(alive=False)
    monkeypatch.setattr(readiness, "KEPT_S", 600.0)
    assert nobody.get("/readyz").status_code == 200
    monkeypatch.setattr(readiness, "KEPT_S", 0.0)
    assert nobody.get("/readyz").status_code == 503


def test_metrics_count_requests_by_the_template_of_their_route(admin: ApiClient) -> None:
    admin.get("/v1/problems/not-found")
    admin.get("/v1/problems/conflict")
    admin.get("/nowhere/at/all")
    text = admin.get("/metrics").text
    wanted = (
        'outgate_http_requests_total{method="GET",route="/v1/problems/{code}",status="200"} 2.0'
    )
    assert wanted in text
    assert 'route="unmatched",status="404"' in text
    assert "nowhere" not in text


def test_metrics_need_a_reader_unless_the_operator_opens_them(
    app: FastAPI, client_with: MakeClient, nobody: ApiClient, settings: ServiceSettings
) -> None:
    assert nobody.get("/metrics").status_code == 401
    assert client_with(Scope.CAPTURES_WRITE).get("/metrics").status_code == 403
    assert client_with(Scope.FINDINGS_READ).get("/metrics").status_code == 200
    app.state.outgate.settings = settings.model_copy(update={"metrics_public": True})
    assert nobody.get("/metrics").status_code == 200


def test_the_limits_that_are_shown_are_those_in_force(
    admin: ApiClient, settings: ServiceSettings
) -> None:
    answer = admin.get("/v1/limits").json()
    assert answer["max_upload_bytes"] == settings.max_upload
    assert answer["requests_per_window"] == settings.rate_per_minute
