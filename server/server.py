"""Server: waitress, with the limits that the settings give, and stopped without dropping a request.

Waitress ends its worker threads when it is stopped, whatever they are at (its issue 198), answers what it cannot read
in plain text, and hands each request to a thread of its own. What is here, in `channel`, `task` and `dispatcher`,
changes just that.
"""

import gc
import os
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

import waitress.server
from waitress.adjustments import Adjustments

from build_admin.server.channel import Channel
from build_admin.server.dispatcher import PATIENCE, Dispatcher
from build_admin.settings import Settings

#: How many times the room of a body it may take on its way in: a chunked one takes more than it has content. The limit
#: is on the body itself, and the application holds to it.
CHUNKED = 2

#: Seconds without a byte after which a connection is closed by a stop. A client that sends its next request within them
#: is told with its answer that the connection closes, instead of finding it closed.
QUIET = 0.25


class ServerError(Exception):
    """The server cannot listen where it should; the message is one sentence."""


class Server(waitress.server.TcpWSGIServer):  # type: ignore[misc]
    """Waitress's server with a stop that finishes what was accepted."""

    channel_class = Channel
    stopping = False

    def __init__(self, app: Any, settings: Settings, leave: Callable[[], object]) -> None:
        self._settings = settings
        adj = adjustments(settings)
        # IPv4 first, where a name has both: that is where a client looks that was given a number.
        places = sorted(adj.listen, key=lambda place: place[0] != socket.AF_INET)
        self._polling = False
        dispatcher = Dispatcher(adj.threads, leave)
        super().__init__(app, adj=adj, sockinfo=places[0], dispatcher=dispatcher)

    @property
    def url(self) -> str:
        """Where the server listens."""
        host = f"[{self.effective_host}]" if ":" in self.effective_host else self.effective_host
        return f"http://{host}:{self.effective_port}"

    def pull_trigger(self) -> None:
        """Wake the thread that waits for sockets, if it does."""
        if self._polling:
            super().pull_trigger()

    def set_reuse_addr(self) -> None:
        """Take an address that an ended process has left; on Windows the option would take a living one's."""
        if os.name != "nt":
            super().set_reuse_addr()

    def maintenance(self, now: float) -> None:
        """Close connections that have been idle or slow for too long; waitress calls this every second."""
        for channel in list(self.active_channels.values()):
            channel.maintain(now, self._settings)

    def stop(self, signum: int, frame: Any = None) -> None:
        """Stop, as a signal handler: what was accepted is finished first. A second signal ends the process at once."""
        if self.stopping:
            os._exit(128 + signum)
        self.stopping = True
        super().pull_trigger()

    def run(self) -> None:
        """Serve until `stop`, and then for as long as an accepted request takes, within the grace period."""
        left = False
        while not self.stopping:
            self._poll(timeout=PATIENCE if left else 1)
            before = 0
            # Clients that were answered together ask again together, a moment apart; to wait is to share a commit.
            while before < (before := len(self.task_dispatcher.queue)):
                self._poll(timeout=0)
            left = self.task_dispatcher.work()
        deadline = time.time() + self._settings.grace
        self._close_listener()
        while self.active_channels and time.time() < deadline:
            self.maintenance(time.time())
            for channel in list(self.active_channels.values()):
                if channel.is_idle(time.time(), QUIET):
                    channel.will_close = True
            self._poll(timeout=0.05)
            self.task_dispatcher.work()
        self.task_dispatcher.shutdown(timeout=max(0, deadline - time.time()))

    def _poll(self, timeout: float = 1) -> None:
        # The time-out is for Windows, where a signal does not wake a thread that waits for sockets.
        self._polling = True
        self.asyncore.loop(timeout=timeout, use_poll=self.adj.asyncore_use_poll, map=self._map, count=1)
        self._polling = False

    def _close_listener(self) -> None:
        # Who is connected by now has been told so by the system, and may have sent a request.
        before = -1
        while before < len(self.active_channels) < self._settings.connections:
            before = len(self.active_channels)
            self.handle_accept()
        self.accepting = False
        self.del_channel(self._map)
        self.socket.close()
        self._poll(timeout=0)


def serve(app: Any, settings: Settings, announce: Callable[[str], None], leave: Callable[[], object]) -> None:
    """Serve `app` until SIGTERM or Ctrl-C (on Windows Ctrl-Break too), finish what was accepted, and return.

    Args:
        app: the WSGI application.
        settings: the address, the limits and the grace period.
        announce: called with the URL once the server listens.
        leave: called by each thread that has worked on requests when there are no more.

    Raises:
        ServerError: the address cannot be listened on.

    """
    try:
        server = Server(app, settings, leave)
    except OSError as error:
        raise ServerError(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}.") from None
    for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), server.stop)
    # What is there by now stays, and what a request makes is gone with it: there is little for a collector to find.
    gc.freeze()
    gc.set_threshold(10_000)
    announce(server.url)
    server.run()


def adjustments(settings: Settings) -> Adjustments:
    """Return waitress's own settings. Raises ServerError where it refuses one."""
    proxy: dict[str, Any] = {"clear_untrusted_proxy_headers": False}
    if settings.trusted_proxy:
        proxy = {
            "trusted_proxy": settings.trusted_proxy,
            "trusted_proxy_headers": {"x-forwarded-for"},
            "clear_untrusted_proxy_headers": True,
        }
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        return Adjustments(
            listen=f"{host}:{settings.port}",
            threads=settings.threads,
            ident=None,
            # The listener and the trigger are in the map that waitress counts.
            connection_limit=settings.connections + 2,
            channel_timeout=settings.idle_timeout,
            cleanup_interval=1,
            max_request_header_size=settings.max_header,
            max_request_body_size=CHUNKED * settings.max_body,
            asyncore_use_poll=True,
            **proxy,
        )
    except ValueError as error:
        raise ServerError(f"Cannot listen on {settings.host}:{settings.port}: {error}.") from None
