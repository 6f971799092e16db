"""Kafka, by a real broker from Maven Central (one node, KRaft), with TLS and without."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from analyzer.errors import ConfigError, ToolMissingError
from analyzer.sinks import Dead, Delivered, Guard, Retry, open_sender
from tests.analyzer.sinks import maven
from tests.analyzer.sinks.authority import Authority
from tests.analyzer.sinks.receivers import HERE, message

KAFKA = "org.apache.kafka:kafka_2.13:3.9.1"
PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAIN://127.0.0.1:{plain},TLS://127.0.0.1:{tls},MOVED://127.0.0.1:{moved},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAIN://127.0.0.1:{plain},TLS://localhost:{tls},MOVED://10.255.255.1:{moved}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT,TLS:SSL,MOVED:PLAINTEXT
inter.broker.listener.name=PLAIN
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
message.max.bytes=200000
"""
CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qk"


@dataclass(frozen=True, kw_only=True)
class Broker:
    """Ports of a running broker; `moved` names an address that may not be reached."""

    plain: int
    tls: int
    moved: int


@pytest.fixture(scope="module")
def broker(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker with the topics `findings` (three partitions) and `many`."""
    folder = maven.jars(KAFKA)
    home = tmp_path_factory.mktemp("kafka")
    ports = {name: maven.free_port() for name in ("plain", "tls", "moved", "controller")}
    keystore = home / "keystore.pem"
    own = authority.issue("localhost")
    keystore.write_text(own.key_pem + own.cert_pem)
    properties = home / "server.properties"
    properties.write_text(PROPERTIES.format(folder=home, keystore=keystore, **ports))
    format_log = maven.java(
        folder, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties)
    )
    subprocess.run(format_log, check=True, capture_output=True, timeout=60)
    command = maven.java(folder, "-Xmx256m", "kafka.Kafka", str(properties))
    with maven.running(command, home / "log", lambda: maven.is_listening(ports["tls"])):
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{ports['plain']}"})
        topics = [NewTopic("findings", 3), NewTopic("many", 1)]
        for made in admin.create_topics(topics, request_timeout=30).values():
            made.result(30)
        yield Broker(plain=ports["plain"], tls=ports["tls"], moved=ports["moved"])


def sender(port: int, host: str = "127.0.0.1", **config: Any) -> Any:
    values = {"bootstrap": f"{host}:{port}", "topic": "findings", "timeout_s": 10, **config}
    return open_sender("kafka", values, HERE)


def stored(broker: Broker, topic: str, partition: int = 0) -> list[Any]:
    """Everything in one partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": f"127.0.0.1:{broker.plain}",
            "group.id": "test",
            "isolation.level": "read_committed",
        }
    )
    try:
        place = TopicPartition(topic, partition, 0)
        _, end = consumer.get_watermark_offsets(place, timeout=20)
        consumer.assign([place])
        found: list[Any] = []
        while len(found) < end:
            taken = consumer.consume(end - len(found), timeout=20)
            assert taken, f"{len(found)} of {end} came"
            assert all(each.error() is None for each in taken)
            found += taken
        return found
    finally:
        consumer.close()


def everything(broker: Broker) -> list[Any]:
    return [each for partition in range(3) for each in stored(broker, "findings", partition)]


def test_kafka_gets_findings_with_their_id_as_key(broker: Broker) -> None:
    batch = [message(1), message(2), message(1, version=2)]
    out = sender(broker.plain, security="plaintext")

    assert out.deliver(batch) == [Delivered()] * 3
    assert out.deliver([message(3)]) == [Delivered()], "the producer is kept"
    out.close()

    mine = [each for each in everything(broker) if each.key() == b"f-0000000000000001"]
    assert [each.value() for each in mine] == [batch[0].body, batch[2].body], "in their order"
    assert len({each.partition() for each in mine}) == 1
    assert mine[0].timestamp()[1] == batch[0].at_ns // 1_000_000
    assert dict(mine[1].headers()) == {
        "outgate-message-id": b"f-0000000000000001-v2",
        "outgate-kind": b"finding.updated",
    }


def test_kafka_is_reached_over_tls_verified_by_name(broker: Broker, authority: Authority) -> None:
    out = sender(broker.tls, "localhost", ca_pem=authority.ca_pem)
    assert out.deliver([message(10)]) == [Delivered()]
    out.close()

    for host, config in (("127.0.0.1", {"ca_pem": authority.ca_pem}), ("localhost", {})):
        wrong = sender(broker.tls, host, timeout_s=2, **config)
        (outcome,) = wrong.deliver([message(11)])
        wrong.close()
        assert isinstance(outcome, Retry)
        assert "certificate verify failed" in outcome.reason


def test_a_burst_arrives_once_each(broker: Broker) -> None:
    out = sender(broker.plain, topic="many", security="plaintext")
    for start in range(0, 1000, out.max_batch):
        batch = [message(number) for number in range(start, start + out.max_batch)]
        assert out.deliver(batch) == [Delivered()] * out.max_batch
    out.close()

    found = [each.key().decode() for each in stored(broker, "many")]
    assert found == [f"f-{number:016x}" for number in range(1000)]


def test_a_record_that_is_too_large_is_dead_and_its_neighbours_arrive(broker: Broker) -> None:
    large = message(20, title="".join(chr(33 + place * 7919 % 90) for place in range(400_000)))
    out = sender(broker.plain, security="plaintext", compression="none")

    outcomes = [out.deliver([each])[0] for each in (message(21), large, message(22))]
    out.close()

    assert [type(outcome) for outcome in outcomes] == [Delivered, Dead, Delivered]


def test_a_topic_that_is_not_there_is_tried_again(broker: Broker) -> None:
    out = sender(broker.plain, topic="missing", security="plaintext", timeout_s=2)
    (outcome,) = out.deliver([message()])
    out.close()

    assert isinstance(outcome, Retry)
    assert outcome.reason.startswith("kafka: ")


def test_a_broker_that_names_a_forbidden_address_is_refused(broker: Broker) -> None:
    (outcome,) = sender(broker.moved, security="plaintext").deliver([message()])

    assert isinstance(outcome, Retry)
    assert "refused to connect to 10.255.255.1" in outcome.reason


def test_nobody_listening_is_an_outcome() -> None:
    out = sender(maven.free_port(), security="plaintext", timeout_s=1)

    outcomes = out.deliver([message(1), message(2)])
    out.close()

    assert len(outcomes) == 2
    assert all("Connection refused" in each.reason for each in outcomes)


def test_bootstrap_hosts_are_checked_before_anything_is_connected() -> None:
    nowhere = replace(HERE, guard=Guard())
    with pytest.raises(ConfigError, match="loopback"):
        open_sender("kafka", {"bootstrap": "127.0.0.1:9092", "topic": "a"}, nowhere)
    out = open_sender("kafka", {"bootstrap": ["localhost:9092"], "topic": "a"}, nowhere)
    (outcome,) = out.deliver([message()])
    assert isinstance(outcome, Retry)
    assert "refused to connect to localhost" in outcome.reason


@pytest.mark.parametrize(
    ("key", "config"),
    [
        ("bootstrap", {"bootstrap": ""}),
        ("bootstrap", {"bootstrap": []}),
        ("bootstrap", {"bootstrap": "a:b"}),
        ("bootstrap", {"bootstrap": "a:99999"}),
        ("bootstrap", {"bootstrap": "a;b=c"}),
        ("bootstrap", {"bootstrap": ["a"] * 17}),
        ("topic", {"topic": "a/b"}),
        ("topic", {"topic": ".."}),
        ("security", {"security": "SSL"}),
        ("user", {"security": "sasl_tls"}),
        ("user", {"user": "a", "password": "b"}),
    ],
)
def test_an_option_that_cannot_be_used_is_named(key: str, config: dict[str, Any]) -> None:
    values = {"bootstrap": "example.com", "topic": "findings", **config}
    with pytest.raises(ConfigError, match=f"option {key} of the kafka sink"):
        open_sender("kafka", values, HERE)


def test_without_the_library_the_way_to_get_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(ToolMissingError, match="confluent-kafka is not installed"):
        sender(9093, "example.com")
