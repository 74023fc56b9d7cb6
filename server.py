"""Server: waitress, with the limits that the settings give, and stopped without dropping a request.

Waitress ends its worker threads when it is stopped, whatever they are at (its issue 198), and answers what it cannot
read in plain text. The few classes here change just that.
"""

import json
import os
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

import waitress.server
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import Error

from middleware import request_id
from settings import Settings

#: Bytes that a request's body may take on its way in. The contract's limit is on the body itself, and the application
#: holds to it; a chunked body takes more room than it has content.
MAX_BODY = 512 * 1024

#: Seconds that a client may go on sending after it was answered early, so that the answer is not lost by a reset.
LINGER = 2

#: Seconds without a byte after which a connection is closed by a stop. A client that sends its next request within them
#: is told with its answer that the connection closes, instead of finding it closed.
QUIET = 0.25

_SENTENCES = {
    400: "The request is not HTTP as RFC 9112 has it.",
    408: "The request did not arrive in time; send it again.",
    413: "The body is too large; at most 262144 bytes are taken.",
    431: "The request line and the headers are too long.",
    501: "This Transfer-Encoding is not supported; send the body as it is, or chunked.",
}


class ServerError(Exception):
    """The server cannot listen where it should; the message is one sentence."""


class RequestTimeout(Error):  # type: ignore[misc]
    """RFC 9110, section 15.5.9."""

    code = 408
    reason = "Request Timeout"


class JsonErrorTask(ErrorTask):  # type: ignore[misc]
    """Answers a request that never reaches the application in JSON, as every other."""

    def execute(self) -> None:
        """Write the whole answer, and close the connection after it."""
        error = self.request.error
        sentence = _SENTENCES.get(error.code, "This is a defect of Build Admin; its log has the details.")
        body = (json.dumps({"error": sentence}) + "\n").encode("ascii")
        self.status = f"{error.code} {error.reason}"
        self.response_headers += [
            ("Content-Type", "application/json"),
            ("X-Request-ID", request_id.of(self.request.headers.get("X_REQUEST_ID"))),
        ]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.channel.lingers = True
        self.write(body)


class ClosingTask(WSGITask):  # type: ignore[misc]
    """Tells the client that its connection closes, where the server is stopping and nothing else is to be answered."""

    def build_response_header(self) -> bytes:
        """Return the status line and headers."""
        if self.channel.server.stopping and self.channel.is_last(self.request):
            self.set_close_on_finish()
        header: bytes = super().build_response_header()
        return header


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """Asks for no body that is refused already, and takes no request whose end two servers may see differently."""

    def parse_header(self, header_plus: bytes) -> None:
        """Read the request line and the headers. Raises ParsingError for two lengths (RFC 9112, section 6.1)."""
        try:
            super().parse_header(header_plus)
        except ValueError:  # from a Content-Length of more digits than Python reads
            raise ParsingError("Content-Length is invalid") from None
        lengths = "CONTENT_LENGTH" in self.headers, self.chunked or "TRANSFER_ENCODING" in self.headers
        if all(lengths) or (self.version == "1.0" and lengths[1]):
            raise ParsingError("Content-Length and Transfer-Encoding exclude each other")

    def received(self, data: bytes) -> int:
        """Take bytes in, and return how many of them belong to this request."""
        taken: int = super().received(data)
        if self.error:
            self.expect_continue = False
        return taken


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection."""

    error_task_class = JsonErrorTask
    task_class = ClosingTask
    parser_class = Parser

    # Waitress's own, said again for the type checker.
    request: Any
    close_when_flushed: bool

    #: Whether the client may still be sending when the connection is to be closed.
    lingers = False
    #: When (Unix seconds) to close, once only the client's sending is waited out.
    lingers_until: float | None = None
    #: A request that has arrived in part, and when (Unix seconds) it was first seen.
    partial: Any = None
    partial_since = 0.0

    def is_last(self, request: Any) -> bool:
        """Whether no other request has begun to arrive behind this one."""
        return self.request is None and self.requests[-1:] == [request]

    def is_idle(self, now: float, seconds: float) -> bool:
        """Whether nothing is being received, worked on or sent at `now` (Unix seconds), nor was for some seconds."""
        busy = self.requests or self.request or self.total_outbufs_len
        return not busy and now - self.last_activity > seconds

    def readable(self) -> bool:
        """Whether bytes are taken in now."""
        return self.lingers_until is not None or super().readable()

    def received(self, data: bytes) -> bool:
        """Take bytes in, or throw them away if all has been said."""
        return self.lingers_until is None and super().received(data)

    def handle_write(self) -> None:
        """Send what there is to send; close if that was the last."""
        if self.lingers and self.close_when_flushed and not self.total_outbufs_len:
            # Closing a socket with unread bytes resets the connection, and the answer may be lost on its way.
            self.lingers = self.close_when_flushed = False
            self.lingers_until = time.time() + LINGER
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                self.will_close = True
        super().handle_write()

    def maintain(self, now: float, settings: Settings) -> None:
        """Close the connection if at `now` (Unix seconds) its client has been idle, or slow, for too long."""
        timeout = settings.request_timeout
        if self.request is not self.partial:
            self.partial, self.partial_since = self.request, now
        elif self.partial is not None and now - self.partial_since > timeout:
            self._refuse_partial()
        unread = self.total_outbufs_len and now - self.last_activity > timeout
        lingered = self.lingers_until is not None and now > self.lingers_until
        if unread or lingered or self.is_idle(now, settings.idle_timeout):
            self.will_close = True

    def _refuse_partial(self) -> None:
        with self.requests_lock:
            request, self.request, self.partial = self.request, None, None
            if request is None or self.requests:
                self.will_close = True
                return
            request.error = RequestTimeout("")
            self.requests.append(request)
            self.server.add_task(self)


class Server(waitress.server.TcpWSGIServer):  # type: ignore[misc]
    """Waitress's server with a stop that finishes what was accepted."""

    channel_class = Channel
    stopping = False

    def __init__(self, app: Any, adjustments: Adjustments, settings: Settings) -> None:
        self._settings = settings
        # IPv4 first, where a name has both: that is where a client looks that was given a number.
        places = sorted(adjustments.listen, key=lambda place: place[0] != socket.AF_INET)
        super().__init__(app, adj=adjustments, sockinfo=places[0])

    @property
    def url(self) -> str:
        """Where the server listens."""
        host = f"[{self.effective_host}]" if ":" in self.effective_host else self.effective_host
        return f"http://{host}:{self.effective_port}"

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
        self.pull_trigger()

    def run(self) -> None:
        """Serve until `stop`, and then for as long as an accepted request takes, within the grace period."""
        while not self.stopping:
            self._poll()
        deadline = time.time() + self._settings.grace
        self._close_listener()
        while self.active_channels and time.time() < deadline:
            self.maintenance(time.time())
            for channel in list(self.active_channels.values()):
                if channel.is_idle(time.time(), QUIET):
                    channel.will_close = True
            self._poll(timeout=0.05)
        self.task_dispatcher.shutdown(timeout=max(0, deadline - time.time()))

    def _poll(self, timeout: float = 1) -> None:
        # The time-out is for Windows, where a signal does not wake a thread that waits for sockets.
        self.asyncore.loop(timeout=timeout, use_poll=self.adj.asyncore_use_poll, map=self._map, count=1)

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


def serve(app: Any, settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve `app` until SIGTERM or Ctrl-C (on Windows Ctrl-Break too), finish what was accepted, and return.

    Args:
        app: the WSGI application.
        settings: the address, the limits and the grace period.
        announce: called with the URL once the server listens.

    Raises:
        ServerError: the address cannot be listened on.

    """
    try:
        server = Server(app, _adjustments(settings), settings)
    except OSError as error:
        raise ServerError(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}.") from None
    for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), server.stop)
    announce(server.url)
    server.run()


def _adjustments(settings: Settings) -> Adjustments:
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
            max_request_body_size=MAX_BODY,
            asyncore_use_poll=True,
            **proxy,
        )
    except ValueError as error:
        raise ServerError(f"Cannot listen on {settings.host}:{settings.port}: {error}.") from None
