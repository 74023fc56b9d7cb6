"""Server: the main loop, and a graceful stop.

This package changes four things in waitress:

1. A stop ends waitress's worker threads in the middle of their requests (its issue 198).
2. It answers a malformed request in plain text.
3. It gives each request to another thread, so requests cannot share a commit.
4. Idle connections can keep other clients from connecting.

Each module says which internals of waitress it relies on. This one relies on `asyncore.loop`: with `count=1` it asks
every channel whether it is readable or writable, waits for the sockets, and calls the channels' handlers.
"""

import gc
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from build_admin.server.dispatcher import PATIENCE, Dispatcher, Transactions
from build_admin.server.listener import Listener, ServerError
from build_admin.settings import Settings

#: Seconds without a byte after which a stop closes a connection. A client that sends another request before that gets
#: an answer with `Connection: close`, instead of a closed connection.
QUIET = 0.25


class Server(Listener):
    """Waitress's server, with a stop that answers every accepted request."""

    def __init__(
        self,
        app: Any,
        settings: Settings,
        transactions: Transactions,
        may_wait: Callable[[str], bool],
        leave: Callable[[], object],
    ) -> None:
        """Listen. The arguments are those of `serve`. Raises OSError and ServerError."""
        self._polling = False
        super().__init__(app, settings, Dispatcher(settings.threads, transactions, may_wait, leave))

    def pull_trigger(self) -> None:
        """Wake the main thread if it waits for sockets."""
        if self._polling:
            super().pull_trigger()

    def stop(self, signum: int, frame: Any = None) -> None:
        """Stop after the accepted requests are answered; a signal handler. A second signal ends the process at once."""
        if self.stopping:
            os._exit(128 + signum)
        self.stopping = True
        super().pull_trigger()

    def run(self) -> None:
        """Serve until `stop`, and then until the accepted requests are answered, within the grace period.

        This thread accepts connections, reads requests, and sends what is left of the answers. It never calls the
        application. One round of the loop:

        1. Wait until a socket is readable or writable, or a worker thread pulls the trigger because it has an answer.
        2. Poll again without waiting, as long as that finds more requests. Clients that got their answers together send
           their next requests together, within some microseconds, and requests that are queued together share a commit.
        3. Wake the worker threads and wait for them, so that they get the interpreter lock (`Dispatcher.work`).

        If requests are still queued after PATIENCE, the next wait for sockets is short, so that another thread is woken
        soon. It is short as well while a client waits for a connection.
        """
        left = False
        while not self.stopping:
            self._poll(timeout=PATIENCE if left else 0.1 if self.client_waits else 1)
            self.look_after()
            self.open_pending()
            before = 0
            while before < (before := self.task_dispatcher.waiting):
                self._poll(timeout=0)
            left = self.task_dispatcher.work()
        deadline = time.monotonic() + self.settings.grace
        self.close_listener()
        self._poll(timeout=0)
        while self.active_channels and time.monotonic() < deadline:
            for channel in list(self.active_channels.values()):
                channel.maintain()
                if channel.is_idle(QUIET):
                    channel.will_close = True
            self._poll(timeout=0.05)
            self.task_dispatcher.work()
        self.task_dispatcher.shutdown(timeout=max(0, deadline - time.monotonic()))

    def _poll(self, timeout: float = 1) -> None:
        # The timeout is for Windows: a signal does not interrupt select there.
        self._polling = True
        self.asyncore.loop(timeout=timeout, use_poll=self.adj.asyncore_use_poll, map=self._map, count=1)
        self._polling = False


def serve(
    app: Any,
    settings: Settings,
    transactions: Transactions,
    may_wait: Callable[[str], bool],
    announce: Callable[[str], None],
    leave: Callable[[], object],
) -> None:
    """Serve `app` until SIGTERM or Ctrl-C (on Windows Ctrl-Break too), answer the accepted requests, and return.

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
        raise ServerError(f"Cannot listen on {settings.listen}: {error.strerror}.") from None
    for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
        # An ignored signal stays ignored: a shell starts background processes with Ctrl-C ignored.
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) != signal.SIG_IGN:
            signal.signal(getattr(signal, name), server.stop)
    # The objects that exist now live as long as the process, and a request leaves no reference cycles. So collections
    # find almost nothing, and each delays the requests of its moment: make them rare.
    gc.freeze()
    gc.set_threshold(10_000)
    announce(server.url)
    server.run()
