"""Listener: accepts connections, and bounds the memory of all connections together.

It relies on waitress 3.0.2: before each wait the loop calls the listener's `readable`, and `handle_accept` when a
client connects; `active_channels` has every channel until it is closed.
"""

import contextlib
import logging
import os
import socket
import time
from typing import Any

import waitress.server
from waitress.adjustments import Adjustments
from waitress.buffers import ReadOnlyFileBasedBuffer

from build_admin.logs import event
from build_admin.server.capacity import capacity_of, to_close
from build_admin.server.channel import Channel
from build_admin.server.dispatcher import Dispatcher
from build_admin.server.output import Output
from build_admin.server.parser import CHUNKED, ROOM
from build_admin.settings import Address, Settings

log = logging.getLogger("build_admin.server")

#: Maximum size of unsent answers, in bytes, of all connections together: in memory, and in temporary files.
MOST_UNSENT = {Output: 64 * 1024 * 1024, ReadOnlyFileBasedBuffer: 2 * 1024 * 1024 * 1024}

#: Size of a socket's send buffer in bytes; Linux doubles it. By default it grows to 4 MB. Only once it is full can be
#: seen for how long a client has read nothing.
SEND_BUFFER = 128 * 1024

#: Seconds after which accepting is tried again when the process had no file descriptor left.
RETRY = 0.25

#: Seconds between two log lines that say that clients wait for a connection.
SAY_AGAIN = 60


class ServerError(Exception):
    """The server cannot listen on its address; the message is one sentence."""


class Listener(waitress.server.TcpWSGIServer):  # type: ignore[misc]
    """Waitress's server, which closes connections without a request when other clients wait."""

    channel_class = Channel
    #: Whether connections are closed once the requests that have arrived are answered.
    stopping = False
    #: A connection beyond the capacity, with its client's address. It is opened when another one is closed.
    pending: tuple[socket.socket, Any] | None = None

    def __init__(self, app: Any, settings: Settings, dispatcher: Dispatcher) -> None:
        """Listen. Raises OSError and ServerError."""
        self.settings = settings
        self.capacity = capacity_of(settings)
        self._next_look = 0.0
        self._accept_again = 0.0
        self._say_again: dict[str, float] = {}
        adj = adjustments(settings)
        # Waitress would listen on each address of a name in its own server. Listen on the IPv4 address if there is one.
        listen = sorted(adj.listen, key=lambda family: family[0] != socket.AF_INET)
        super().__init__(app, adj=adj, sockinfo=listen[0], dispatcher=dispatcher)

    @property
    def url(self) -> str:
        """The URL of the service, with its prefix."""
        return f"http://{Address(self.effective_host, self.effective_port)}{self.adj.url_prefix}"

    def set_reuse_addr(self) -> None:
        """Allow the address of a process that has ended. On Windows the option would allow that of a running one."""
        if os.name != "nt":
            super().set_reuse_addr()

    def readable(self) -> bool:
        """Whether a connection can be accepted.

        Waitress's own method accepts nothing while all connections are in use, so it does not know whether a client
        waits. It also closes idle connections by the wall clock, and closes none for a while if that is set back.
        """
        return self.accepting and self.pending is None and time.monotonic() >= self._accept_again

    def look_after(self) -> None:
        """Once a second, close connections that have been idle or slow for too long.

        This is not a part of `readable`: the loop collects its sockets there, and would wait for a closed one.
        """
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + 1
            for channel in list(self.active_channels.values()):
                channel.maintain()

    def handle_accept(self) -> None:
        """Accept the connections in the backlog, as far as there is capacity.

        Waitress's own method accepts one, and a round of the loop takes long where many clients send much. It also
        logs each failure with a traceback and tries again at once. Without a free file descriptor the connection stays
        in the backlog, and that would be an endless loop.
        """
        while self.readable() and self._accept():
            pass

    def _accept(self) -> bool:
        """Accept a connection; return whether there may be another."""
        try:
            connection, address = self.socket.accept()
        except BlockingIOError:
            return False
        except (InterruptedError, ConnectionError):  # the client has left
            return True
        except OSError as error:
            self._accept_again = time.monotonic() + RETRY
            self._say("a connection cannot be accepted; idle ones are closed for others", error.strerror)
            self._close_one()
            return False
        if len(self.active_channels) < self.capacity:
            self._open(connection, address)
        else:
            self.pending = connection, address
            self._say("all connections are in use; idle ones are closed for others")
        return True

    def bound_unsent(self) -> None:
        """Keep to MOST_UNSENT: shut down the connections whose clients have not read for longest. In any thread."""
        channels = [channel for channel in list(self.active_channels.values()) if channel.total_outbufs_len]
        channels.sort(key=lambda channel: channel.last_activity)
        for kind, most in MOST_UNSENT.items():
            # Measured once: other threads write, and the main thread closes, meanwhile.
            sizes = [channel.unsent(kind) for channel in channels]
            total = sum(sizes)
            for channel, size in zip(channels, sizes, strict=True):
                if total <= most:
                    break
                total -= size
                # Only the main thread may close a channel. It will find the socket broken, or has closed it already:
                # then the channel has none.
                with contextlib.suppress(OSError, AttributeError):
                    if size:
                        channel.socket.shutdown(socket.SHUT_RDWR)

    @property
    def client_waits(self) -> bool:
        """Whether a client waits for another connection to be closed, or for a file descriptor."""
        return self.pending is not None or self._accept_again > time.monotonic()

    def open_pending(self) -> None:
        """Open the pending connection if there is capacity for it, or if another connection can be closed."""
        if self.pending and (len(self.active_channels) < self.capacity or self._close_one()):
            self._open(*self.pending)
            self.pending = None

    def close_listener(self) -> None:
        """Stop listening. Open the connections in the backlog first: their clients may have sent requests."""
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
    """Return the settings as waitress has them. Raises ServerError for one that it does not accept."""
    try:
        return Adjustments(
            listen=str(settings.listen),
            threads=settings.threads,
            ident=None,
            clear_untrusted_proxy_headers=False,
            max_request_header_size=settings.max_header,
            max_request_body_size=CHUNKED * ROOM * settings.max_body,
            asyncore_use_poll=True,
            # It becomes WSGI's SCRIPT_NAME; the proxy may remove it from the path or not.
            url_prefix=settings.prefix,
        )
    except ValueError as error:
        reason = str(error).rstrip(".")
        raise ServerError(f"Cannot listen on {settings.listen}: {reason}.") from None
