"""Sinks: where findings are pushed, what became of each delivery, tests and replays."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query, Response

from analyzer.push import Dispatcher, message_id
from analyzer.sinks import Delivered, Retry, completed, kind_of, redacted
from analyzer.sinks.base import Outcome
from analyzer.store import Store
from analyzer.store.records import Delivery, DeliveryState, Sink
from api.dependencies import Admin, StateDep, StoreDep
from api.errors import responses
from api.lifecycle import push_settings
from api.routing import ServiceRouter
from api.schemas import MAX_ID_CHARS, Page, time_text
from api.schemas_sinks import (
    DeliveriesOut,
    DeliveryCounts,
    DeliveryOut,
    DeliveryQuery,
    Fill,
    NewSink,
    Replay,
    SinkChange,
    SinkOut,
    SinksOut,
    TrialOut,
    Waiting,
)
from api.state import ServiceState

router = ServiceRouter(prefix="/v1/sinks", tags=["sinks"])
SinkId = Annotated[str, Path(min_length=1, max_length=MAX_ID_CHARS, description="id of the sink")]


@router.get("", summary="All sinks")
def list_sinks(store: StoreDep, caller: Admin) -> SinksOut:  # noqa: ARG001 - checks the scope
    """Lists every sink, without secrets."""
    return SinksOut(data=[sink_out(store, sink) for sink in store.sinks.list()])


@router.post(
    "",
    status_code=201,
    summary="Add a sink",
    responses=responses("bad-request", "conflict", "limit-reached", "tool-missing"),
)
def create_sink(
    wanted: NewSink, state: StateDep, store: StoreDep, caller: Admin, response: Response
) -> SinkOut:
    """Pushes findings there from now on; nothing is connected to before there is one.

    Addresses inside are refused unless the operator allowed their network.
    """
    config: dict[str, Any] = dict(wanted.config)
    dispatcher_of(state).check(wanted.kind, config)
    made = store.sinks.create(
        name=wanted.name,
        kind=wanted.kind,
        format=wanted.format or kind_of(wanted.kind).format,
        config=config,
        only=wanted.only.model_dump(mode="json", exclude_defaults=True),
        enabled=wanted.enabled,
        by=caller,
    )
    _wake(state)
    response.headers["Location"] = f"/v1/sinks/{made.id}"
    return sink_out(store, made)


@router.get("/{sink_id}", summary="One sink")
def read_sink(
    sink_id: SinkId,
    store: StoreDep,
    caller: Admin,  # noqa: ARG001 - checks the scope
) -> SinkOut:
    """Shows one sink without its secrets, and how its deliveries go."""
    return sink_out(store, store.sinks.get(sink_id))


@router.patch(
    "/{sink_id}",
    summary="Change a sink",
    responses=responses("bad-request", "conflict", "tool-missing"),
)
def change_sink(
    sink_id: SinkId, wanted: SinkChange, state: StateDep, store: StoreDep, caller: Admin
) -> SinkOut:
    """Changes what is given. Enabling a sink that the service stopped sends what waits."""
    sink = store.sinks.get(sink_id)
    values: dict[str, Any] = wanted.model_dump(mode="json", exclude_none=True, exclude={"only"})
    if wanted.only is not None:
        values["only"] = wanted.only.model_dump(mode="json", exclude_defaults=True)
    if wanted.config is not None:
        values["config"] = completed(sink.kind, wanted.config, sink.config)
        dispatcher_of(state).check(sink.kind, values["config"])
    changed = store.sinks.update(sink_id, by=caller, **values)
    _wake(state)
    return sink_out(store, changed)


@router.delete("/{sink_id}", status_code=204, summary="Remove a sink")
def delete_sink(sink_id: SinkId, state: StateDep, store: StoreDep, caller: Admin) -> None:
    """Removes a sink and what waits for it."""
    store.sinks.delete(sink_id, by=caller)
    _wake(state)


@router.post(
    "/{sink_id}/test",
    summary="Send a test finding",
    responses=responses("bad-request", "tool-missing"),
)
def test_sink(
    sink_id: SinkId,
    state: StateDep,
    store: StoreDep,
    caller: Admin,
) -> TrialOut:
    """Sends, now, a finding that says it is a test, and tells what became of it.

    The sink stays as it is, whatever the receiver answers, and may be disabled.
    """
    sink = store.sinks.get(sink_id)
    store.audit.record(caller, "sink.test", sink_id, {"name": sink.name})
    return trial_out(dispatcher_of(state).test(sink))


@router.get("/{sink_id}/deliveries", summary="What became of each delivery")
def list_deliveries(
    sink_id: SinkId,
    store: StoreDep,
    caller: Admin,  # noqa: ARG001 - checks the scope
    query: Annotated[DeliveryQuery, Query()],
) -> DeliveriesOut:
    """Lists deliveries in the order they were queued."""
    store.sinks.get(sink_id)
    found = store.outbox.list(sink_id, state=query.state, after=query.after, limit=query.limit)
    last = found[-1].id if found else query.after
    more = bool(store.outbox.list(sink_id, state=query.state, after=last, limit=1))
    return DeliveriesOut(
        data=[delivery_out(item) for item in found],
        page=Page(next_cursor=str(last), has_more=more),
    )


@router.post("/{sink_id}/replay", summary="Send deliveries again")
def replay_deliveries(
    sink_id: SinkId, wanted: Replay, state: StateDep, store: StoreDep, caller: Admin
) -> Waiting:
    """Queues dead deliveries again, or the named ones, with the message ids they had."""
    store.sinks.get(sink_id)
    queued = store.outbox.replay(sink_id, ids=wanted.deliveries, by=caller)
    _wake(state)
    return Waiting(queued=queued)


@router.post(
    "/{sink_id}/fill",
    responses=responses("not-found"),
    summary="Queue what a sink missed",
)
def fill_sink(
    sink_id: SinkId, wanted: Fill, store: StoreDep, state: StateDep, caller: Admin
) -> Waiting:
    """Queues the latest change of each finding that the sink has not heard of.

    For a new sink that is to have what was found before it, or one that was disabled for a while.
    """
    queued = store.outbox.fill(sink_id, after_sequence=wanted.after_sequence, by=caller)
    _wake(state)
    return Waiting(queued=queued)


def dispatcher_of(state: ServiceState) -> Dispatcher:
    """The dispatcher at work, or one that only checks and tests where nothing is pushed."""
    return state.dispatcher or Dispatcher(state.store, push_settings(state.settings))


def sink_out(store: Store, sink: Sink) -> SinkOut:
    """A sink as JSON, without its secrets."""
    counts = store.outbox.counts(sink.id)
    return SinkOut.model_validate(
        {
            "id": sink.id,
            "name": sink.name,
            "kind": sink.kind,
            "format": sink.format,
            "config": redacted(sink.kind, sink.config),
            "only": dict(sink.only),
            "enabled": sink.enabled,
            "disabled_because": sink.disabled_because,
            "created_at": time_text(sink.created_ns),
            "created_by": sink.created_by,
            "last_success_at": time_text(sink.last_success_ns),
            "last_failure_at": time_text(sink.last_failure_ns),
            "last_error": sink.last_error,
            "deliveries": DeliveryCounts(
                **{str(state): counts.get(state, 0) for state in DeliveryState}
            ),
        }
    )


def delivery_out(item: Delivery) -> DeliveryOut:
    """A delivery as JSON."""
    waits = item.state is DeliveryState.PENDING
    return DeliveryOut(
        id=item.id,
        message_id=message_id(item),
        finding_id=item.finding_id,
        version=item.version,
        state=item.state,
        attempts=item.attempts,
        next_at=time_text(item.next_ns) if waits else None,
        created_at=time_text(item.created_ns),
        done_at=time_text(item.done_ns),
        error=item.error,
    )


def trial_out(outcome: Outcome) -> TrialOut:
    """What became of a test finding, as JSON."""
    if isinstance(outcome, Delivered):
        return TrialOut(outcome="delivered", reason="", retry_after_s=None)
    if isinstance(outcome, Retry):
        return TrialOut(outcome="retry", reason=outcome.reason, retry_after_s=outcome.after_s)
    kind = type(outcome).__name__.lower()
    return TrialOut.model_validate(
        {"outcome": kind, "reason": outcome.reason, "retry_after_s": None}
    )


def _wake(state: ServiceState) -> None:
    if state.dispatcher is not None:
        state.dispatcher.wake()
