"""What one running service consists of, as its routes see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from fastapi import Request

from api.settings import ServiceSettings

if TYPE_CHECKING:
    from analyzer.store import Store


@dataclass(slots=True, kw_only=True)
class ServiceState:
    """The parts of one application; filled when it starts, read by its routes.

    Attributes:
        settings: What the operator set.
        supervisor: Runs the workers; None where no jobs are run.
        dispatcher: Pushes findings to sinks; None where nothing is pushed.
    """

    settings: ServiceSettings
    opened: Store | None = None
    supervisor: Any = None
    dispatcher: Any = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        """The open store."""
        if self.opened is None:
            raise RuntimeError("the service has not been started")
        return self.opened


def state_of(request: Request) -> ServiceState:
    """The service that a request came to."""
    return cast("ServiceState", request.app.state.outgate)
