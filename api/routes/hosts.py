"""Addresses: what each sent and received, its names, its findings."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from analyzer.store.records import Scope
from analyzer.store.tables import HostQuery
from analyzer.store.tables.host import Part
from analyzer.store.tables.hosts import MAX_ADDRESS_CHARS, Host
from analyzer.store.tables.known import KnownFinding
from analyzer.times import rfc3339
from api.dependencies import CallerDep, CapturesReader, SettingsDep, StoreDep
from api.errors import responses
from api.routing import ServiceRouter
from api.schemas_table_answers import (
    HostDetailOut,
    HostFindingOut,
    HostOut,
    HostsOut,
    NameOut,
    PartOut,
    TablePage,
    gaps_out,
)
from api.schemas_tables import HostFilter, HostList

router = ServiceRouter(prefix="/v1/hosts", tags=["hosts"])


@router.get(
    "",
    summary="Addresses of all captures",
    responses=responses("bad-request", "not-found", "limit-reached"),
)
def list_hosts(
    store: StoreDep,
    settings: SettingsDep,
    caller: CapturesReader,  # noqa: ARG001 - checks the scope
    asked: Annotated[HostList, Query()],
) -> HostsOut:
    """Lists addresses inside and outside, the largest first unless told otherwise."""
    page = store.tables.hosts(asked.query(settings.networks_inside()))
    return HostsOut(
        data=[host_out(host) for host in page.hosts],
        page=TablePage(
            next_cursor=page.next,
            has_more=bool(page.next),
            shown=len(page.hosts),
            total=page.total,
        ),
        not_read=gaps_out(page.gaps),
        not_read_total=len(set(page.gaps)),
    )


@router.get(
    "/{address}",
    summary="One address",
    responses=responses("bad-request", "limit-reached"),
)
def read_host(
    *,
    address: Annotated[str, Path(max_length=MAX_ADDRESS_CHARS)],
    store: StoreDep,
    settings: SettingsDep,
    caller: CapturesReader,  # noqa: ARG001 - checks the scope
    known: CallerDep,
    asked: Annotated[HostFilter, Query()],
) -> HostDetailOut:
    """Shows one address: peers, ports, captures, and for callers who may read them its findings."""
    inside = asked.networks(settings.networks_inside())
    query = HostQuery(selection=asked.selection(), inside=inside)
    detail = store.tables.host(address, query)
    findings = detail.findings if known.may(Scope.FINDINGS_READ) else ()
    return HostDetailOut(
        host=host_out(detail.host),
        peers=[part_out(part) for part in detail.peers],
        ports=[part_out(part) for part in detail.ports],
        total_ports=detail.total_ports,
        captures=[part_out(part) for part in detail.captures],
        findings=[finding_out(finding) for finding in findings],
        total_findings=detail.total_findings,
        not_read=gaps_out(detail.gaps),
        not_read_total=len(set(detail.gaps)),
    )


def host_out(host: Host) -> HostOut:
    """A host as JSON."""
    return HostOut(
        address=host.address,
        inside=host.is_inside,
        flows=host.flows,
        opened=host.opened,
        bytes_out=host.bytes_out,
        bytes_in=host.bytes_in,
        peers=host.peers,
        captures=host.captures,
        first_seen=rfc3339(host.first_ns),
        last_seen=rfc3339(host.last_ns),
        names=[NameOut(name=name, source=source) for name, source in host.names],
        findings=dict(host.findings),
    )


def part_out(part: Part) -> PartOut:
    """What was exchanged as JSON."""
    return PartOut(
        label=part.label,
        opened=part.is_opened,
        flows=part.flows,
        bytes_out=part.bytes_out,
        bytes_in=part.bytes_in,
        first_seen=rfc3339(part.first_ns),
        last_seen=rfc3339(part.last_ns),
    )


def finding_out(finding: KnownFinding) -> HostFindingOut:
    """A finding in short."""
    return HostFindingOut(
        id=finding.id,
        title=finding.title,
        severity=str(finding.severity),
        confidence=finding.confidence,
        status=finding.status,
        capture=finding.capture,
        first_seen=rfc3339(finding.first_ns),
        last_seen=rfc3339(finding.last_ns),
    )
