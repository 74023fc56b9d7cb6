"""Listener: which connections are accepted, and how much memory all together can hold.

It relies on waitress 3.0.2: the loop asks `readable` of the listener before each wait, and calls `handle_accept` when
somebody wants to connect; `active_channels` has every channel until that is closed.
"""

import contextlib
import logging
import os
import socket
import time
from typing import Any

import waitress.server
from waitress.adjustments import Adjustments

from build_admin.logs import event
from build_admin.server.capacity import capacity_of, to_close
from build_admin.server.channel import Channel
from build_admin.server.dispatcher import Dispatcher
from build_admin.server.parser import CHUNKED, ROOM
from build_admin.settings import Settings

log = logging.getLogger("build_admin.server")

#: Bytes of answers that may wait in memory until their clients take them, of all connections together.
MOST_UNSENT = 64 * 1024 * 1024

#: Bytes that the system is asked to keep of what a connection sends; on Linux it keeps twice as many. Left to itself it
#: keeps up to 4 MB, and nobody sees for how long the client has taken none of it.
SEND_BUFFER = 128 * 1024

#: Seconds until a connection is accepted again when the system had no file handle for one.
RETRY = 0.25

#: Seconds between two lines in the log that say that clients have to wait.
SAY_AGAIN = 60


class ServerError(Exception):
    """The server cannot listen where it should; the message is one sentence."""


class Listener(waitress.server.TcpWSGIServer):  # type: ignore[misc]
    """Waitress's server, which closes connections that ask nothing where other clients wait."""

    channel_class = Channel
    #: Whether no further request is taken on a connection, once those that have arrived are answered.
    stopping = False
    #: A connection, and its client's address, that was accepted beyond the capacity; it waits until another is closed.
    pending: tuple[socket.socket, Any] | None = None

    def __init__(self, app: Any, settings: Settings, dispatcher: Dispatcher) -> None:
        """Listen. Raises OSError and ServerError."""
        self.settings = settings
        self.capacity = capacity_of(settings)
        self._next_look = 0.0
        self._accept_again = 0.0
        self._say_again: dict[str, float] = {}
        adj = adjustments(settings)
        # IPv4 first, where a name has both: that is where a client looks that was given a number.
        listen = sorted(adj.listen, key=lambda family: family[0] != socket.AF_INET)
        super().__init__(app, adj=adj, sockinfo=listen[0], dispatcher=dispatcher)

    @property
    def url(self) -> str:
        """Where the server listens, and the path under which it answers."""
        host = f"[{self.effective_host}]" if ":" in self.effective_host else self.effective_host
        return f"http://{host}:{self.effective_port}{self.adj.url_prefix}"

    def set_reuse_addr(self) -> None:
        """Take an address that an ended process has left; on Windows the option would take a living one's."""
        if os.name != "nt":
            super().set_reuse_addr()

    def readable(self) -> bool:
        """Whether a connection can be accepted.

        Waitress's own accepts nothing while all connections are taken, and so does not know whether a client waits. It
        also closes idle connections, by the wall clock: where that is set back, it closes none for as long.
        """
        return self.accepting and self.pending is None and time.monotonic() >= self._accept_again

    def look_after(self) -> None:
        """Once a second, close connections that have been idle or slow for too long.

        Not while the loop goes through the channels: it would wait for the sockets of those that are closed.
        """
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + 1
            for channel in list(self.active_channels.values()):
                channel.maintain()

    def handle_accept(self) -> None:
        """Accept a connection. Replaces waitress's, which logs each failure with a traceback, and tries again at once.

        Without a file handle for it, a connection stays where it is, and the listener is ready again and again.
        """
        try:
            connection, address = self.socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):  # the client has left
            return
        except OSError as error:
            self._accept_again = time.monotonic() + RETRY
            self._say("a connection cannot be accepted; those that ask nothing are closed for others", error.strerror)
            self._close_one()
            return
        if len(self.active_channels) < self.capacity:
            self._open(connection, address)
        else:
            self.pending = connection, address
            self._say("all connections are taken; those that ask nothing are closed for others")

    def bound_unsent(self) -> None:
        """Hold MOST_UNSENT: close the connections whose clients have not read for longest. In any thread."""
        unsent = [channel for channel in list(self.active_channels.values()) if channel.total_outbufs_len]
        total = sum(channel.total_outbufs_len for channel in unsent)
        for channel in sorted(unsent, key=lambda channel: channel.last_activity):
            if total <= MOST_UNSENT:
                break
            total -= channel.total_outbufs_len
            # The main thread, which alone closes, finds the socket broken.
            with contextlib.suppress(OSError):
                channel.socket.shutdown(socket.SHUT_RDWR)

    @property
    def client_waits(self) -> bool:
        """Whether a client waits until another connection is closed, or until there is a file handle."""
        return self.pending is not None or self._accept_again > time.monotonic()

    def open_pending(self) -> None:
        """Open the connection that waits, if there is one, and room or another one that can be closed for it."""
        if self.pending and (len(self.active_channels) < self.capacity or self._close_one()):
            self._open(*self.pending)
            self.pending = None

    def close_listener(self) -> None:
        """Stop listening. Connections that are complete already are opened: their clients may have sent requests."""
        before = -1
        while before < len(self.active_channels) < self.capacity:
            before = len(self.active_channels)
            self.handle_accept()
        if self.pending:
            self._open(*self.pending)
        self.pending, self.accepting = None, False
        self.del_channel(self._map)
        self.socket.close()

    def _open(self, connection: socket.socket, address: Any) -> None:
        try:
            self.set_socket_options(connection)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        except OSError:  # the client has left already
            connection.close()
        else:
            Channel(self, connection, address, self.adj, map=self._map)

    def _close_one(self) -> bool:
        channels = self.active_channels.values()
        channel = to_close(channels, self.capacity, self.settings.trusted_proxy) if channels else None
        if channel:
            channel.abandon()
        return channel is not None

    def _say(self, what: str, error: str | None = None) -> None:
        now = time.monotonic()
        if now >= self._say_again.get(what, now):
            self._say_again[what] = now + SAY_AGAIN
            event(log, logging.WARNING, what, error=error, connections=len(self.active_channels))


def adjustments(settings: Settings) -> Adjustments:
    """Return waitress's own settings. Raises ServerError where it refuses one."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        return Adjustments(
            listen=f"{host}:{settings.port}",
            threads=settings.threads,
            ident=None,
            clear_untrusted_proxy_headers=False,
            max_request_header_size=settings.max_header,
            max_request_body_size=CHUNKED * ROOM * settings.max_body,
            asyncore_use_poll=True,
            # It becomes WSGI's SCRIPT_NAME, whether or not the proxy leaves it in the path.
            url_prefix=settings.prefix,
        )
    except ValueError as error:
        reason = str(error).rstrip(".")
        raise ServerError(f"Cannot listen on {settings.host}:{settings.port}: {reason}.") from None
