"""Channel: a connection, and the requests that arrive on it.

It relies on waitress 3.0.2: the main thread alone calls `handle_read`, `handle_write`, `readable` and `received`; a
worker thread calls `service`, which takes `requests[0]` off and queues the channel again if there are more;
`will_close` has the main thread close the socket, `close_when_flushed` once everything is sent.
"""

import socket
import time
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError

from build_admin.server.task import AppTask, JsonErrorTask, RequestTimeout
from build_admin.settings import Settings

#: Seconds that a client may go on sending after it was answered early, so that the answer is not lost by a reset.
LINGER = 2


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """Asks for no body that is refused already, and takes no request whose end two servers may see differently."""

    #: The application's answer, once it was called; None before.
    task: AppTask | None = None

    def parse_header(self, header_plus: bytes) -> None:
        """Read the request line and the headers. Raises ParsingError for two lengths (RFC 9112, section 6.1)."""
        try:
            super().parse_header(header_plus)
        except ValueError:  # from a Content-Length of more digits than Python reads
            raise ParsingError("Content-Length is invalid") from None
        lengths = "CONTENT_LENGTH" in self.headers, self.chunked or "TRANSFER_ENCODING" in self.headers
        if all(lengths) or (self.version == "1.0" and lengths[1]):
            raise ParsingError("Content-Length and Transfer-Encoding exclude each other")
        # Waitress compares the whole header, which is a list (RFC 9110, section 7.6.1).
        if "close" in {option.strip(" \t") for option in self.headers.get("CONNECTION", "").lower().split(",")}:
            self.headers["CONNECTION"] = "close"
            self.connection_close = True

    def received(self, data: bytes) -> int:
        """Take bytes in, and return how many of them belong to this request."""
        taken: int = super().received(data)
        if self.error:
            self.expect_continue = False
        return taken


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection.

    Times are of `time.monotonic`: a clock that is set must stop no timeout.
    """

    error_task_class = JsonErrorTask
    parser_class = Parser

    # Waitress's own, said again for the type checker.
    request: Any
    close_when_flushed: bool

    #: When the request whose turn it is was queued.
    arrived = 0.0
    #: Whether the client may still be sending when the connection is to be closed.
    lingers = False
    #: When to close, once only the client's sending is waited out.
    lingers_until: float | None = None
    #: A request that has arrived in part, and when it was first seen.
    partial: Any = None
    partial_since = 0.0
    _last_activity = 0.0

    @property
    def last_activity(self) -> float:
        """When the client was last heard of or sent to."""
        return self._last_activity

    @last_activity.setter
    def last_activity(self, _: float) -> None:
        # Waitress assigns the wall clock's time, in several places.
        self._last_activity = time.monotonic()

    def call(self) -> None:
        """Call the application for the request whose turn it is, and keep the answer for `service` to send.

        Only for a request that waitress could parse. Where its client has left already, there is nothing to do.
        """
        if self.connected:
            task = AppTask(self, self.requests[0])
            task.call()
            self.requests[0].task = task

    def task_class(self, channel: "Channel", request: Parser) -> AppTask:
        """Return the task that has the answer to a request; waitress's `service` makes its tasks by this name."""
        return request.task or AppTask(channel, request)

    def service(self) -> None:
        """Send the answer to the request whose turn it is."""
        # From when it is answered on, the next one may be at work in another thread.
        request = self.requests[0]
        try:
            super().service()
        finally:
            # The two know each other, and only the garbage collector would find that nobody else knows them.
            request.task = None

    def is_last(self, request: Any) -> bool:
        """Whether no other request has begun to arrive behind this one."""
        return self.request is None and self.requests[-1:] == [request]

    def is_idle(self, seconds: float) -> bool:
        """Whether nothing is being received, worked on or sent, nor was for some seconds."""
        busy = self.requests or self.request or self.total_outbufs_len
        return not busy and time.monotonic() - self.last_activity > seconds

    def readable(self) -> bool:
        """Whether bytes are taken in now."""
        return self.lingers_until is not None or super().readable()

    def received(self, data: bytes) -> bool:
        """Take bytes in, or throw them away if everything has been answered."""
        return self.lingers_until is None and super().received(data)

    def handle_write(self) -> None:
        """Send what there is to send; close if that was the last."""
        if self.lingers and self.close_when_flushed and not self.total_outbufs_len:
            # Closing a socket with unread bytes resets the connection, and the answer may be lost on its way.
            self.lingers = self.close_when_flushed = False
            self.lingers_until = time.monotonic() + LINGER
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                self.will_close = True
        super().handle_write()

    def maintain(self, settings: Settings) -> None:
        """Close the connection if its client has been idle, or slow, for too long."""
        now, timeout = time.monotonic(), settings.request_timeout
        if self.request is not self.partial:
            self.partial, self.partial_since = self.request, now
        elif self.partial is not None and now - self.partial_since > timeout:
            self._refuse_partial()
        unread = self.total_outbufs_len and now - self.last_activity > timeout
        lingered = self.lingers_until is not None and now > self.lingers_until
        if unread or lingered or self.is_idle(settings.idle_timeout):
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
