"""Server: waitress, as the settings have it."""

from collections.abc import Callable
from typing import Any

import waitress.server

from settings import Settings


def serve(app: Any, settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve `app` until a signal stops it."""
    try:
        server = waitress.server.create_server(
            app, host=settings.host, port=settings.port, threads=settings.threads, ident=None
        )
    except OSError as error:
        raise ServerError(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}.") from None
    announce(f"http://{server.effective_host}:{server.effective_port}")
    server.run()


class ServerError(Exception):
    """The server cannot listen where it should; the message is one sentence."""
