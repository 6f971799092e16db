"""The service on a socket, in a thread of the tests' own process."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from api import server

if TYPE_CHECKING:
    from collections.abc import Iterator

    import uvicorn
    from fastapi import FastAPI

    from api.settings import ServiceSettings

START_S = 30.0


@contextmanager
def in_thread(app: FastAPI, settings: ServiceSettings) -> Iterator[int]:
    """The server in a thread of this process; its port."""
    listener = server.listening_socket(settings.model_copy(update={"port": 0}))
    configured: uvicorn.Config = server.configuration(app, settings)
    serving_here = server.ServiceServer(configured, app.state.outgate)
    thread = threading.Thread(target=serving_here.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        serving_here.should_exit = True
        thread.join(START_S)
        listener.close()
