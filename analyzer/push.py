"""Brings what waits in the outbox to the sinks, at least once and in order for each finding.

Each enabled sink has a thread of its own, so that one that hangs delays no other. A delivery is
recorded after it was sent: killed in between, the service sends it again, with the same message id.
What fails is tried again after a random part of an exponentially growing time (full jitter), and
becomes a dead letter when its attempts are used up; dead letters wait for a replay.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from analyzer import formats
from analyzer.errors import NotFoundError, OutgateError
from analyzer.settings import PRIVATE_NETWORKS
from analyzer.sinks import (
    Dead,
    Delivered,
    Disable,
    Guard,
    Message,
    Retry,
    Surroundings,
    open_sender,
)
from analyzer.sinks.base import one_line
from analyzer.sinks.trial import trial_finding
from analyzer.store.native import native
from analyzer.store.records import SERVICE
from analyzer.times import NS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from analyzer.sinks import Outcome, Sender
    from analyzer.store import Store
    from analyzer.store.records import Delivery, Sink

Render: TypeAlias = "Callable[[Mapping[str, Any], str], bytes]"

log = logging.getLogger("outgate.push")

MAX_PAUSE_S = 60.0
"""Longest rest of a sink after a batch of which nothing arrived; its deliveries wait longer."""
MAX_DOUBLINGS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class PushSettings:
    """What the operator sets about pushing.

    Attributes:
        networks: Networks that sinks may reach beside public addresses, as CIDR text.
        folder: Where sinks of the kind `file` write; None forbids them.
        inside: Networks that count as inside when a finding is written, as CIDR text.
        max_attempts: After that many a delivery is a dead letter. With the other defaults 150 take
            three days on average: a receiver may be away over a weekend.
        base_s: Upper bound of the first wait; it doubles with every attempt.
        cap_s: Upper bound of all waits.
        poll_s: How often the outbox is looked at when nobody wakes the dispatcher.
    """

    networks: tuple[str, ...] = ()
    folder: Path | None = None
    inside: tuple[str, ...] = PRIVATE_NETWORKS
    max_attempts: int = 150
    base_s: float = 2.0
    cap_s: float = 3600.0
    poll_s: float = 2.0

    def surroundings(self) -> Surroundings:
        """What senders may use.

        Raises:
            ConfigError: A network is none.
        """
        return Surroundings(guard=Guard.of(self.networks), folder=self.folder)

    def delay_s(self, attempts: int, chance: float) -> float:
        """How long to wait after so many failed attempts; `chance` is from 0 to 1."""
        return chance * min(self.cap_s, self.base_s * 2.0 ** min(attempts - 1, MAX_DOUBLINGS))


class Dispatcher:
    """Runs one thread for each enabled sink, and one that starts and ends those.

    Args:
        store: Holds sinks, outbox and findings.
        settings: Bounds.
        render: Writes a finding (form `native`) in a format; `analyzer.formats` when not given.
        chance: Random numbers from 0 to 1.
    """

    def __init__(
        self,
        store: Store,
        settings: PushSettings,
        render: Render | None = None,
        *,
        chance: Callable[[], float] | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._render = render or partial(formats.render, inside=settings.inside)
        self._chance = chance or secrets.SystemRandom().random
        self._surroundings = settings.surroundings()
        self._pumps: dict[str, _Pump] = {}
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts pushing."""
        if self._thread is None:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._manage, name="push", daemon=True)
            self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Ends pushing, after the batches under way or the timeout.

        Returns:
            Whether every thread has ended; those that have not hang in a receiver, and their
            messages are sent again at the next start.
        """
        self._stopping.set()
        self.wake()
        end = time.monotonic() + timeout_s
        if self._thread is not None:
            self._thread.join(timeout_s)
        for pump in self._pumps.values():
            pump.stop()
        for pump in self._pumps.values():
            pump.join(max(0.0, end - time.monotonic()))
        if self.alive or any(pump.is_alive() for pump in self._pumps.values()):
            return False
        self._thread = None
        self._pumps.clear()
        return True

    @property
    def alive(self) -> bool:
        """Whether sinks are looked after."""
        return self._thread is not None and self._thread.is_alive()

    def wake(self) -> None:
        """Says that there may be something to do: new deliveries, or a changed sink."""
        self._woken.set()

    def check(self, kind: str, config: Mapping[str, Any]) -> None:
        """Whether a sink with that configuration can be opened; nothing is connected to.

        Raises:
            ConfigError: It cannot; the message names the option.
            ToolMissingError: The kind needs a library that is not installed.
        """
        open_sender(kind, config, self._surroundings).close()

    def test(self, sink: Sink) -> Outcome:
        """Sends a finding that says it is a test, now, and tells what became of it.

        Raises:
            OutgateError: The sink cannot be opened, or its format not be written.
        """
        now_ns = self._store.now_ns()
        finding = trial_finding(sink.name, secrets.token_hex(8), now_ns)
        message = Message(
            id=str(finding["id"]),
            finding=finding,
            body=self._render(finding, sink.format),
            at_ns=now_ns,
            test=True,
        )
        sender = open_sender(sink.kind, sink.config, self._surroundings)
        try:
            return sender.deliver([message])[0]
        finally:
            sender.close()

    def _manage(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow(self._store.sinks.list())
            except Exception:
                log.exception("cannot read the sinks; trying again")
            self._woken.wait(self._settings.poll_s)
            self._woken.clear()

    def _follow(self, sinks: Sequence[Sink]) -> None:
        """Starts and ends threads so that they are those of the enabled sinks as they are now."""
        wanted = {sink.id: sink for sink in sinks if sink.enabled}
        for sink_id, pump in list(self._pumps.items()):
            sink = wanted.get(sink_id)
            if sink is None or not pump.serves(sink):
                pump.stop()
            if not pump.is_alive():
                del self._pumps[sink_id]
        for sink in wanted.values():
            # One that is still ending keeps its place: two would send everything twice.
            if sink.id in self._pumps:
                self._pumps[sink.id].wake()
                continue
            pump = _Pump(sink, self._store, self._settings, self._render, self._chance)
            self._pumps[sink.id] = pump
            pump.start()


def message_id(delivery: Delivery) -> str:
    """What receivers know a delivery by: the same at every attempt, and at every sink."""
    return f"{delivery.finding_id}-v{delivery.version}"


class _Pump(threading.Thread):
    """The thread of one sink, as it was configured when the thread began."""

    def __init__(
        self,
        sink: Sink,
        store: Store,
        settings: PushSettings,
        render: Render,
        chance: Callable[[], float],
    ) -> None:
        super().__init__(name=f"push {sink.id}", daemon=True)
        self._sink = sink
        self._store = store
        self._settings = settings
        self._render = render
        self._chance = chance
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._failures = 0

    def stop(self) -> None:
        self._stopping.set()
        self._woken.set()

    def wake(self) -> None:
        self._woken.set()

    def serves(self, sink: Sink) -> bool:
        """Whether the sink is still as it was."""
        own = self._sink
        return (sink.kind, sink.format, sink.config) == (own.kind, own.format, own.config)

    def run(self) -> None:
        sender: Sender | None = None
        while not self._stopping.is_set():
            try:
                if sender is None:
                    if not self._store.sinks.get(self._sink.id).enabled:
                        return  # it was disabled after the list of sinks was read
                    around = self._settings.surroundings()
                    sender = open_sender(self._sink.kind, self._sink.config, around)
                pause_s = self._round(sender)
            except Exception as error:
                # Whatever it is (the database, a sender's own fault): this thread goes on.
                log.exception("cannot push to sink %s", self._sink.id)
                pause_s = self._failed(error)
            if pause_s > 0:
                self._stopping.wait(pause_s)
        if sender is not None:
            sender.close()

    def _failed(self, error: Exception) -> float:
        said = one_line(str(error) if isinstance(error, OutgateError) else type(error).__name__)
        try:
            self._store.sinks.record_result(self._sink.id, error=said)
        except Exception:
            log.exception("cannot record what became of sink %s", self._sink.id)
        return self._rest_s()

    def _rest_s(self) -> float:
        self._failures += 1
        bound_s = self._settings.base_s * 2.0 ** min(self._failures - 1, MAX_DOUBLINGS)
        return min(MAX_PAUSE_S, bound_s) * (0.5 + self._chance() / 2)

    def _round(self, sender: Sender) -> float:
        """Sends one batch; gives the seconds to rest before the next one."""
        self._woken.clear()
        due = self._store.outbox.due(self._sink.id, limit=sender.max_batch)
        if not due:
            self._woken.wait(self._wait_s())
            return 0.0
        deliveries, messages = self._prepared(due)
        if not messages:
            return 0.0
        outcomes = self._sent(sender, messages)
        if len(outcomes) != len(messages):
            raise RuntimeError(f"{len(outcomes)} outcomes for {len(messages)} messages")
        self._keep(self._steps(deliveries, outcomes))
        if any(isinstance(outcome, Disable) for outcome in outcomes):
            self._stopping.set()
            return 0.0
        # What a receiver asks for one message it wants for all that wait for it.
        asked_s = max(
            (each.after_s or 0.0 for each in outcomes if isinstance(each, Retry)), default=0.0
        )
        if any(isinstance(outcome, Delivered | Dead) for outcome in outcomes):
            self._failures = 0
            return asked_s
        return max(asked_s, self._rest_s())

    def _sent(self, sender: Sender, messages: Sequence[Message]) -> Sequence[Outcome]:
        """What became of each; a message that a sender fails on must not stop the others."""
        try:
            return sender.deliver(messages)
        except Exception as error:
            log.exception("cannot send to sink %s", self._sink.id)
            if len(messages) == 1:
                return [Retry(f"cannot be sent: {type(error).__name__}")]
        return [outcome for message in messages for outcome in self._sent(sender, [message])]

    def _wait_s(self) -> float:
        """Until the next delivery is due, or the outbox is looked at anyway."""
        poll_s, next_ns = self._settings.poll_s, self._store.outbox.next_due_ns(self._sink.id)
        if next_ns is None:
            return poll_s
        return min(poll_s, max(0.05, (next_ns - self._store.now_ns()) / NS_PER_SECOND))

    def _prepared(self, due: Sequence[Delivery]) -> tuple[list[Delivery], list[Message]]:
        """What is to be sent; what is not, or cannot be written, is recorded right away."""
        pairs: list[tuple[Delivery, Message]] = []
        for delivery in due:
            try:
                finding = self._store.findings.at_version(delivery.finding_id, delivery.version)
            except NotFoundError:
                self._store.outbox.skipped([delivery.id], "the finding is gone")
                continue
            if finding.suppressed_by:
                why = f"hidden by suppression {finding.suppressed_by}"
                self._store.outbox.skipped([delivery.id], why)
                continue
            document = native(finding)
            try:
                body = self._render(document, self._sink.format)
            except (OutgateError, ValueError, TypeError, KeyError, ArithmeticError) as error:
                log.exception("cannot write finding %s as %s", finding.id, self._sink.format)
                why = f"cannot be written as {self._sink.format}: {type(error).__name__}"
                self._store.outbox.dead([delivery.id], why)
                continue
            message = Message(
                id=message_id(delivery), finding=document, body=body, at_ns=delivery.created_ns
            )
            pairs.append((delivery, message))
        return [delivery for delivery, _ in pairs], [message for _, message in pairs]

    def _steps(
        self, deliveries: Sequence[Delivery], outcomes: Sequence[Outcome]
    ) -> list[Callable[[], object]]:
        """What is to be recorded, each step a transaction of its own."""
        outbox, sink_id = self._store.outbox, self._sink.id
        steps: list[Callable[[], object]] = []
        grouped: dict[tuple[Outcome, int], list[int]] = {}
        for delivery, outcome in zip(deliveries, outcomes, strict=True):
            tried = delivery.attempts if isinstance(outcome, Retry) else 0
            grouped.setdefault((outcome, tried), []).append(delivery.id)
        for (outcome, tried), ids in grouped.items():
            match outcome:
                case Delivered():
                    steps.append(partial(outbox.delivered, ids))
                case Dead(reason):
                    steps.append(partial(outbox.dead, ids, reason))
                case Retry(reason) if tried + 1 >= self._settings.max_attempts:
                    steps.append(partial(outbox.dead, ids, f"{reason} (attempt {tried + 1})"))
                case Retry(reason, after_s):
                    next_ns = self._store.now_ns() + int(self._later_s(tried, after_s) * 1e9)
                    steps.append(partial(outbox.retry, ids, error=reason, next_ns=next_ns))
                case Disable(reason):  # its deliveries wait for somebody to enable it again
                    steps.append(partial(self._store.sinks.disable, sink_id, reason, by=SERVICE))
        trouble = next((each.reason for each in outcomes if not isinstance(each, Delivered)), "")
        steps.append(partial(self._store.sinks.record_result, sink_id, error=trouble))
        return steps

    def _later_s(self, tried: int, after_s: float | None) -> float:
        if after_s is None:
            return self._settings.delay_s(tried + 1, self._chance())
        return after_s + self._chance() * self._settings.base_s  # no herd at the agreed second

    def _keep(self, steps: Sequence[Callable[[], object]]) -> None:
        """Records what was sent, however long the database refuses: not to send it for ever."""
        failures = 0
        for step in steps:
            while True:
                try:
                    step()
                    break
                except Exception:
                    log.exception("cannot record what sink %s was sent; again", self._sink.id)
                    failures += 1
                rest_s = min(MAX_PAUSE_S, self._settings.base_s * 2.0 ** min(failures, 10))
                if self._stopping.wait(rest_s):
                    return
