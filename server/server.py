"""Server: the loop that serves, and a stop that drops no request.

Waitress ends its worker threads when it is stopped, whatever they are at (its issue 198), answers what it cannot read
in plain text, hands each request to a thread of its own, and lets clients that do nothing keep others out. What is in
this room changes just that. Each file says which of waitress's internals it relies on; here it is `asyncore.loop`, one
round of which asks every channel what it waits for, waits, and calls its handlers.
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

#: Seconds without a byte after which a connection is closed by a stop. A client that sends its next request within them
#: is told with its answer that the connection closes, instead of finding it closed.
QUIET = 0.25


class Server(Listener):
    """Waitress's server with a stop that finishes what was accepted."""

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
        """Wake the thread that waits for sockets, if it does."""
        if self._polling:
            super().pull_trigger()

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
        another thread can be called for it soon; so it is while a client waits for a connection.
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
        # The timeout is for Windows, where a signal does not wake a thread that waits for sockets.
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
