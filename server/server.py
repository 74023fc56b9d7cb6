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
from build_admin.server.dispatcher import PATIENCE, Dispatcher, Transactions
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

    def __init__(
        self,
        app: Any,
        settings: Settings,
        transactions: Transactions,
        may_wait: Callable[[str], bool],
        leave: Callable[[], object],
    ) -> None:
        """Listen. The arguments are those of `serve`. Raises OSError and ServerError."""
        self._settings = settings
        adj = adjustments(settings)
        # IPv4 first, where a name has both: that is where a client looks that was given a number.
        places = sorted(adj.listen, key=lambda place: place[0] != socket.AF_INET)
        self._polling = False
        self._next_maintenance = 0.0
        dispatcher = Dispatcher(adj.threads, transactions, may_wait, leave)
        super().__init__(app, adj=adj, sockinfo=places[0], dispatcher=dispatcher)

    @property
    def url(self) -> str:
        """Where the server listens, and the path under which it answers."""
        host = f"[{self.effective_host}]" if ":" in self.effective_host else self.effective_host
        return f"http://{host}:{self.effective_port}{self.adj.url_prefix}"

    def pull_trigger(self) -> None:
        """Wake the thread that waits for sockets, if it does."""
        if self._polling:
            super().pull_trigger()

    def set_reuse_addr(self) -> None:
        """Take an address that an ended process has left; on Windows the option would take a living one's."""
        if os.name != "nt":
            super().set_reuse_addr()

    def readable(self) -> bool:
        """Whether a connection can be accepted; once a second, look after those that are there.

        Waitress's own asks for the wall clock's time, and stops its maintenance where that is set back.
        """
        now = time.monotonic()
        if now >= self._next_maintenance:
            self._next_maintenance = now + 1
            self.maintenance(now)
        return bool(super().readable())

    def maintenance(self, now: float) -> None:
        """Close connections that have been idle or slow for too long."""
        for channel in list(self.active_channels.values()):
            channel.maintain(self._settings)

    def stop(self, signum: int, frame: Any = None) -> None:
        """Stop, as a signal handler: what was accepted is finished first. A second signal ends the process at once."""
        if self.stopping:
            os._exit(128 + signum)
        self.stopping = True
        super().pull_trigger()

    def run(self) -> None:
        """Serve until `stop`, and then for as long as an accepted request takes, within the grace period.

        This thread accepts connections, reads requests from their sockets and sends the answers that worker threads
        leave; it never runs the application. A round of the loop:

        1. Wait until a socket can be read or written, or a worker thread pulls the trigger because it has an answer.
        2. Look again without waiting, as long as that brings further requests: clients that were answered together ask
           again together, a moment apart, and those that arrive together share a commit.
        3. Have the worker threads answer, and give them the interpreter for it (`Dispatcher.work`).

        Where work is left after that, because it takes longer than PATIENCE, the next wait is short too, so that
        another thread can be called for it soon.
        """
        left = False
        while not self.stopping:
            self._poll(timeout=PATIENCE if left else 1)
            before = 0
            while before < (before := self.task_dispatcher.waiting):
                self._poll(timeout=0)
            left = self.task_dispatcher.work()
        deadline = time.monotonic() + self._settings.grace
        self._close_listener()
        while self.active_channels and time.monotonic() < deadline:
            for channel in list(self.active_channels.values()):
                channel.maintain(self._settings)
                if channel.is_idle(QUIET):
                    channel.will_close = True
            self._poll(timeout=0.05)
            self.task_dispatcher.work()
        self.task_dispatcher.shutdown(timeout=max(0, deadline - time.monotonic()))

    def _poll(self, timeout: float = 1) -> None:
        # The timeout is for Windows, where a signal does not wake a thread that waits for sockets.
        self._polling = True
        self.asyncore.loop(timeout=timeout, use_poll=self.adj.asyncore_use_poll, map=self._map, count=1)
        self._polling = False

    def _close_listener(self) -> None:
        # The system has completed these connections, and their clients may have sent a request.
        before = -1
        while before < len(self.active_channels) < self._settings.connections:
            before = len(self.active_channels)
            self.handle_accept()
        self.accepting = False
        self.del_channel(self._map)
        self.socket.close()
        self._poll(timeout=0)


def serve(
    app: Any,
    settings: Settings,
    transactions: Transactions,
    may_wait: Callable[[str], bool],
    announce: Callable[[str], None],
    leave: Callable[[], object],
) -> None:
    """Serve `app` until SIGTERM or Ctrl-C (on Windows Ctrl-Break too), finish what was accepted, and return.

    Args:
        app: the WSGI application.
        settings: the address, the limits and the grace period.
        transactions: the database that `app` writes to, whose transactions its requests share.
        may_wait: tells whether a request for a path may wait for that database.
        announce: called with the URL once the server listens.
        leave: called by each worker thread before it ends.

    Raises:
        ServerError: the address cannot be listened on.

    """
    try:
        server = Server(app, settings, transactions, may_wait, leave)
    except OSError as error:
        raise ServerError(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}.") from None
    for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
        # What is ignored was to be so: a shell starts what goes on in the background with Ctrl-C ignored.
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) != signal.SIG_IGN:
            signal.signal(getattr(signal, name), server.stop)
    # What exists now lives as long as the process, and a request leaves no reference cycles: there is little garbage to
    # collect, and to look for it seldom keeps requests from waiting for that.
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
            # It becomes WSGI's SCRIPT_NAME, whether or not the proxy leaves it in the path.
            url_prefix=settings.prefix,
            **proxy,
        )
    except ValueError as error:
        reason = str(error).rstrip(".")
        raise ServerError(f"Cannot listen on {settings.host}:{settings.port}: {reason}.") from None
