from typing import Any

import pytest

from analyzer.detectors.sightings import Contact, Reach, contacts, lookups
from analyzer.observations import Observations
from tests.builders import flow, observations, row

POOL = "198.51.100.20"
HOST = "10.0.0.1"


def is_listed(name: str) -> bool:
    return name.endswith("listed.example")


def dns_flow(flow_id: int, asker: str = HOST, server: str = "10.0.0.53") -> dict[str, Any]:
    return flow(f"{asker}:4000", f"{server}:53", flow_id=flow_id, transport="udp")


def query(flow_id: int, name: str, frame: int = 1) -> dict[str, Any]:
    return row("dns", flow_id=flow_id, frame=frame, kind="query", name=name, rtype="A", up=True)


def answer(flow_id: int, name: str, data: str, rtype: str = "A", frame: int = 2) -> dict[str, Any]:
    return row(
        "dns", flow_id=flow_id, frame=frame, kind="answer", name=name, rtype=rtype, data=data
    )


def only_contact(seen: Observations) -> Contact:
    (contact,) = contacts(seen, is_listed, lambda address: address == "192.0.2.9")
    return contact


def resolved(flows: list[dict[str, Any]], **tables: Any) -> Observations:
    """A host that resolved the pool's name before its other flows."""
    dns = [query(0, "a.listed.example"), answer(0, "a.listed.example", POOL)]
    return observations([dns_flow(0), *flows], dns=dns + tables.pop("dns", []), **tables)


def test_a_lookup_names_who_asked_whom_and_shows_both_frames() -> None:
    seen = observations(
        [dns_flow(0)], dns=[query(0, "a.listed.example"), answer(0, "a.listed.example", POOL)]
    )

    (lookup,) = lookups(seen, is_listed)

    assert (lookup.asker, lookup.server, lookup.name) == (HOST, "10.0.0.53", "a.listed.example")
    assert lookup.frames == (1, 2)
    assert lookup.failure == ""


def test_what_a_resolver_asks_for_a_host_is_the_hosts() -> None:
    flows = [dns_flow(0), dns_flow(1, asker="10.0.0.53", server="192.0.2.53")]
    dns = [query(0, "a.listed.example"), query(1, "a.listed.example", frame=2)]

    assert [lookup.asker for lookup in lookups(observations(flows, dns=dns), is_listed)] == [HOST]
    alone = observations(flows, dns=dns[1:])
    assert [lookup.asker for lookup in lookups(alone, is_listed)] == ["10.0.0.53"]


def test_an_alias_of_a_harmless_name_is_seen() -> None:
    dns = [
        query(0, "harmless.example"),
        answer(0, "harmless.example", "a.listed.example", "CNAME"),
        answer(0, "a.listed.example", POOL),
    ]

    (lookup,) = lookups(observations([dns_flow(0)], dns=dns), is_listed)

    assert (lookup.name, lookup.asker) == ("a.listed.example", HOST)


def test_an_answer_without_its_question_still_tells_who_asked() -> None:
    refused = row("dns", flow_id=0, frame=3, kind="question", name="a.listed.example", rcode=3)

    (lookup,) = lookups(observations([dns_flow(0)], dns=[refused]), is_listed)

    assert (lookup.asker, lookup.failure) == (HOST, "no such name")


def test_a_flow_to_a_resolved_address_is_a_contact() -> None:
    contact = only_contact(resolved([flow(f"{HOST}:5000", f"{POOL}:3333", flow_id=1)]))

    assert (contact.host, contact.name, contact.source) == (HOST, "a.listed.example", "dns")
    assert (contact.port, contact.frame, contact.reach) == (3333, 2, Reach.TALKED)
    assert not contact.shared
    assert not contact.is_exact


def test_a_flow_seen_from_its_middle_may_have_its_ends_exchanged() -> None:
    contact = only_contact(resolved([flow(f"{POOL}:3333", f"{HOST}:5000", flow_id=1)]))

    assert (contact.host, contact.address, contact.port) == (HOST, POOL, 3333)


def test_a_flow_that_says_itself_whom_it_means_is_believed() -> None:
    other = row("tls", flow_id=1, frame=9, hello="client", up=True, sni="other.example")
    own = row("tls", flow_id=1, frame=9, hello="client", up=True, sni="B.listed.example")
    flows = [flow(f"{HOST}:5000", f"{POOL}:443", flow_id=1)]

    assert list(contacts(resolved(flows, tls=[other]), is_listed)) == []
    contact = only_contact(resolved(flows, tls=[own]))
    assert (contact.name, contact.source, contact.frame) == ("b.listed.example", "sni", 9)


def test_an_address_of_several_names_is_a_guess() -> None:
    dns = [answer(0, "other.example", POOL, frame=5)]
    contact = only_contact(resolved([flow(f"{HOST}:5000", f"{POOL}:80", flow_id=1)], dns=dns))

    assert contact.shared


def test_a_proxy_is_asked_for_the_server_and_its_port() -> None:
    flows = [flow(f"{HOST}:5000", "10.0.0.8:3128", flow_id=1)]
    request = row(
        "http",
        flow_id=1,
        frame=4,
        kind="request",
        up=True,
        method="CONNECT",
        target="a.listed.example:3333",
        host="a.listed.example",
    )
    refused = row("http", flow_id=1, frame=5, kind="response", status=403)

    contact = only_contact(observations(flows, http=[request]))
    assert (contact.source, contact.port, contact.reach) == ("connect", 3333, Reach.TALKED)
    assert only_contact(observations(flows, http=[request, refused])).reach is Reach.TRIED


def test_an_address_of_the_list_needs_no_name() -> None:
    contact = only_contact(observations([flow(f"{HOST}:5000", "192.0.2.9:9000")]))

    assert (contact.name, contact.source, contact.frame) == ("", "address", 0)


@pytest.mark.parametrize(
    ("values", "reach"),
    [
        ({"up_payload": 1, "down_payload": 1}, Reach.TALKED),
        ({"history": "Sh", "up_payload": 0, "down_payload": 0}, Reach.CONNECTED),
        ({"history": "ShAD", "down_payload": 0}, Reach.CONNECTED),
        ({"history": "S", "up_payload": 0, "down_payload": 0}, Reach.TRIED),
        ({"history": "Sr", "up_payload": 0, "down_payload": 0}, Reach.TRIED),
        ({"midstream": True, "down_payload": 0}, Reach.CONNECTED),
        ({"transport": "udp", "down_packets": 0, "down_payload": 0}, Reach.TRIED),
    ],
)
def test_how_far_a_contact_came(values: dict[str, Any], reach: Reach) -> None:
    seen = observations([flow(f"{HOST}:5000", "192.0.2.9:9000", **values)])

    assert only_contact(seen).reach is reach


def test_other_transports_and_empty_captures_are_no_contacts() -> None:
    ping = flow(f"{HOST}:0", "192.0.2.9:0", transport="icmp")

    assert list(contacts(observations([ping]), is_listed, lambda address: True)) == []
    assert list(contacts(observations(), is_listed)) == []
    assert lookups(observations(), is_listed) == []
