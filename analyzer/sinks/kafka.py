"""Kafka through confluent-kafka (librdkafka): an idempotent producer, acks from all replicas.

The key of a record is the finding's id, so that all versions of a finding are in one partition, in
their order. What the broker reports of a record decides what became of its message.

librdkafka makes its own connections. The bootstrap hosts are checked before it starts, and the
brokers they name before a record is sent and again with every batch; a broker whose address may not
be reached closes the producer. Between a check and librdkafka's own look-up a name server could
still change its mind: with TLS the certificate then does not fit, without TLS only networks that
the operator allowed are bootstrapped from.
"""

from __future__ import annotations

import importlib
import logging
import re
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analyzer.errors import ToolMissingError
from analyzer.sinks.base import Dead, Delivered, Retry, SendError, one_line
from analyzer.sinks.options import Options, Secret
from analyzer.sinks.wire import TlsOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

    from analyzer.sinks.base import Message, Outcome
    from analyzer.sinks.surroundings import Surroundings

DEFAULT_PORT = 9093
METADATA_TIMEOUT_S = 10.0
DELIVERY_TIMEOUT_S = 30
MAX_BATCH = 200
MAX_BROKERS = 100
MAX_MESSAGE_BYTES = 10_000_000

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_TOO_LARGE = frozenset({"MSG_SIZE_TOO_LARGE", "INVALID_MSG_SIZE", "INVALID_RECORD"})
log = logging.getLogger("outgate.sinks.kafka")


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConfig:
    """A cluster, a topic, and how the service logs in.

    Attributes:
        bootstrap: Hosts and ports of some brokers.
        security: `tls`, `sasl_tls`, or `plaintext`.
        mechanism: Of SASL.
    """

    bootstrap: tuple[tuple[str, int], ...]
    topic: str
    security: str
    mechanism: str
    user: str
    password: Secret
    compression: str
    timeout_s: int
    tls: TlsOptions

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> KafkaConfig:
        """The configuration from a mapping.

        Raises:
            ConfigError: A key is missing, unknown or has a value that cannot be used.
        """
        options = Options("kafka", values)
        config = cls(
            bootstrap=options.addresses("bootstrap", DEFAULT_PORT),
            topic=options.text("topic", max_chars=249),
            security=options.choice("security", "tls", ("tls", "sasl_tls", "plaintext")),
            mechanism=options.choice(
                "mechanism", "SCRAM-SHA-512", ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
            ),
            user=options.text("user", "", max_chars=200),
            password=options.secret("password"),
            compression=options.choice("compression", "zstd", ("none", "gzip", "lz4", "zstd")),
            timeout_s=options.number("timeout_s", DELIVERY_TIMEOUT_S, 1, 120),
            tls=TlsOptions.read(options),
        )
        options.done()
        if not _TOPIC.fullmatch(config.topic) or config.topic in {".", ".."}:
            raise options.wrong("topic", "a topic has letters, digits and . _ -")
        if (config.security == "sasl_tls") != bool(config.user and config.password):
            raise options.wrong("user", "security sasl_tls goes with a user and a password")
        return config

    @property
    def encrypted(self) -> bool:
        """Whether brokers are reached over TLS."""
        return self.security != "plaintext"


class KafkaSender:
    """Keeps one producer open as long as it works."""

    max_batch = MAX_BATCH

    def __init__(self, config: KafkaConfig, surroundings: Surroundings) -> None:
        for host, _ in config.bootstrap:
            surroundings.guard.check_literal(host, encrypted=config.encrypted)
        self._kafka = _library()
        self._config = config
        self._guard = surroundings.guard
        self._client_id = surroundings.user_agent.replace("/", "-")
        self._ca_pem = config.tls.ca_pem or (_system_ca_pem() if config.encrypted else "")
        self._producer: Any = None
        self._noted = ""
        if config.encrypted:
            config.tls.context()  # complains of certificates that cannot be used

    def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """What the brokers report of each record, within a bounded time."""
        outcomes: list[Outcome] = [Retry("no broker confirmed it in time")] * len(messages)
        try:
            producer = self._open()
            for place, message in enumerate(messages):
                self._produce(producer, message, place, outcomes)
            left = producer.flush(self._config.timeout_s + 5.0)
        except SendError as error:
            self.close()
            return [Retry(error.reason)] * len(messages)
        except self._kafka.KafkaException as error:
            self.close()
            return [Retry(self._noted or _said(error.args[0]))] * len(messages)
        if left or any(isinstance(outcome, Retry) for outcome in outcomes):
            self.close()  # what is still in its queue must not go out behind our back
        return outcomes

    def close(self) -> None:
        """Forgets what is not sent and ends the connections."""
        if self._producer is not None:
            self._producer.purge()
            self._producer.flush(1.0)
            self._producer = None

    def _open(self) -> Any:  # noqa: ANN401 - the library is optional
        if self._producer is None:
            for host, port in self._config.bootstrap:
                self._guard.resolve(host, port, encrypted=self._config.encrypted)
            self._noted = ""
            self._check_brokers(self._kafka.Producer(self._settings(probe=True), logger=log))
            self._producer = self._kafka.Producer(self._settings(probe=False), logger=log)
        else:
            self._check_brokers(self._producer)
        return self._producer

    def _check_brokers(self, producer: Any) -> None:  # noqa: ANN401 - the library is optional
        """Refuses a cluster that names a broker where the service may not connect.

        A client that only asks for metadata connects to nothing but the bootstrap hosts.
        """
        timeout_s = min(METADATA_TIMEOUT_S, self._config.timeout_s)
        try:
            metadata = producer.list_topics(self._config.topic, timeout=timeout_s)
        finally:
            producer.poll(0)  # lets it tell why not
        for broker in list(metadata.brokers.values())[:MAX_BROKERS]:
            self._guard.resolve(broker.host, broker.port, encrypted=self._config.encrypted)
        if len(metadata.brokers) > MAX_BROKERS:
            raise SendError(f"the cluster names more than {MAX_BROKERS} brokers")

    def _note(self, error: Any) -> None:  # noqa: ANN401 - the library is optional
        """Keeps what a connection failed of: a request only says that it timed out."""
        if error.name() != "_ALL_BROKERS_DOWN":
            self._noted = _said(error)

    def _settings(self, *, probe: bool) -> dict[str, Any]:
        config = self._config
        settings: dict[str, Any] = {
            "bootstrap.servers": ",".join(_joined(host, port) for host, port in config.bootstrap),
            "client.id": self._client_id,
            "security.protocol": {"tls": "SSL", "sasl_tls": "SASL_SSL"}.get(
                config.security, "PLAINTEXT"
            ),
            "socket.timeout.ms": 10_000,
            "socket.connection.setup.timeout.ms": 10_000,
            "reconnect.backoff.max.ms": 2000,
            "message.timeout.ms": config.timeout_s * 1000,
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "enable.metrics.push": False,
            "allow.auto.create.topics": False,
            "log.connection.close": False,
            "error_cb": self._note,
        }
        if not probe:
            settings |= {
                "enable.idempotence": True,
                "acks": "all",
                "compression.type": config.compression,
                "linger.ms": 5,
            }
        if config.encrypted:
            settings["ssl.endpoint.identification.algorithm"] = "https"
            settings["ssl.ca.pem"] = self._ca_pem
        if config.tls.client_cert_pem:
            settings["ssl.certificate.pem"] = config.tls.client_cert_pem
            settings["ssl.key.pem"] = config.tls.client_key_pem.reveal()
        if config.security == "sasl_tls":
            settings["sasl.mechanism"] = config.mechanism
            settings["sasl.username"] = config.user
            settings["sasl.password"] = config.password.reveal()
        return settings

    def _produce(
        self,
        producer: Any,  # noqa: ANN401 - the library is optional
        message: Message,
        place: int,
        outcomes: list[Outcome],
    ) -> None:
        def report(error: Any, _record: object) -> None:  # noqa: ANN401
            outcomes[place] = Delivered() if error is None else _outcome(error)

        try:
            producer.produce(
                self._config.topic,
                value=message.body,
                key=message.finding_id.encode(),
                timestamp=message.at_ns // 1_000_000,
                headers={"outgate-message-id": message.id, "outgate-kind": message.kind},
                on_delivery=report,
            )
        except BufferError:
            outcomes[place] = Retry("the queue of the producer is full")
        except self._kafka.KafkaException as error:
            outcomes[place] = _outcome(error.args[0])


def _outcome(error: Any) -> Outcome:  # noqa: ANN401 - the library is optional
    if error.name() in _TOO_LARGE:
        return Dead(_said(error))
    return Retry(_said(error))


def _said(error: Any) -> str:  # noqa: ANN401 - the library is optional
    return one_line(f"kafka: {error.name().lower().strip('_')}: {error.str()}")


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _library() -> ModuleType:
    try:
        return importlib.import_module("confluent_kafka")
    except ImportError as error:
        raise ToolMissingError(
            "confluent-kafka", "send to Kafka", hint="pip install 'outgate[kafka]'"
        ) from error


def _system_ca_pem() -> str:
    """The certificates the system trusts; librdkafka's own idea of where they are differs."""
    store = ssl.create_default_context()
    found = store.get_ca_certs(binary_form=True)
    return "".join(ssl.DER_cert_to_PEM_cert(each) for each in found)
