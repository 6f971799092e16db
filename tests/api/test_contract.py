"""The whole OpenAPI document against the running service: no 5xx, no answer it does not declare.

A few requests for each operation here; by hand, with as many as wanted:

    OUTGATE_CONTRACT_EXAMPLES=300 python -m pytest tests/api/test_contract.py
"""

import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import checks

from api.main import create_app
from api.settings import ServiceSettings
from tests.service import Service

SAMPLE = Path(__file__).resolve().parents[2] / "pcaps" / "rome-incident.pcapng"
EXAMPLES = int(os.environ.get("OUTGATE_CONTRACT_EXAMPLES", "4"))
ENDS = {"succeeded", "partial", "failed", "cancelled"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service with one capture analysed."""
    environ = {"OUTGATE_RATE_PER_MINUTE": "1000000", "OUTGATE_FAILURES_PER_MINUTE": "1000000"}
    with Service(tmp_path_factory.mktemp("contract") / "data", environ=environ) as running:
        with httpx.Client(base_url=running.url, headers=running.headers()) as client:
            answer = client.post(
                "/v1/captures?name=rome.pcapng",
                content=SAMPLE.read_bytes(),
                headers={"Content-Type": "application/vnd.tcpdump.pcap"},
            )
            job = answer.raise_for_status().json()["job"]["id"]
            while client.get(f"/v1/jobs/{job}").json()["state"] not in ENDS:
                pass
        yield running


@schemathesis.serializer(
    "application/vnd.tcpdump.pcap",
    "application/x-pcapng",
    "application/gzip",
    "application/zstd",
    "application/octet-stream",
    "application/offset+octet-stream",
)
def as_bytes(_context: Any, value: Any) -> bytes:
    """Bodies that are bytes, made of whatever was generated."""
    return value if isinstance(value, bytes) else str(value).encode()


def described() -> schemathesis.BaseSchema:
    """The application's own document, without the streams that end with their job."""
    document = create_app(ServiceSettings()).openapi()
    paths = {
        path: operations
        for path, operations in document["paths"].items()
        if not path.endswith("/events")
    }
    return schemathesis.openapi.from_dict({**document, "paths": paths})


schema = described()


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="OUTGATE_CONTRACT_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_the_document_declares(
    case: "schemathesis.Case[Any]", service: Service
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")

        case.call_and_validate(
            base_url=service.url,
            headers=service.headers(),
            timeout=30,
            checks=[
                checks.not_a_server_error,
                checks.status_code_conformance,
                checks.content_type_conformance,
                checks.response_schema_conformance,
                checks.response_headers_conformance,
            ],
        )


def test_the_document_is_openapi_3_1_and_names_every_operation(service: Service) -> None:
    document = httpx.get(f"{service.url}/v1/openapi.json", headers=service.headers()).json()
    operations = [
        operation
        for path in document["paths"].values()
        for verb, operation in path.items()
        if verb in {"get", "post", "put", "patch", "delete", "head", "options"}
    ]
    names = [operation["operationId"] for operation in operations]

    assert document["openapi"].startswith("3.1")
    assert len(names) == len(set(names))
    assert all(operation.get("tags") and operation.get("summary") for operation in operations)
    json.dumps(document, allow_nan=False)
