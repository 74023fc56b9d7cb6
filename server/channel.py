"""Channel: a connection, the requests that arrive on it, and the answers that leave.

It relies on waitress 3.0.2: the main thread alone calls `handle_read`, `handle_write`, `handle_close`, `readable`,
`writable` and `received`; a worker thread calls `service`, which answers `requests[0]`, takes it off after that, and
writes with `write_soon`; `close_when_flushed` has the main thread close once everything is sent.

What a client can make a connection hold is bounded:

1. One request is parsed at a time. What arrives behind it waits as bytes, at most those of one read from the socket
   (8 KB); after that nothing is read until the request is answered and the answer is with the system.
2. So one answer at most waits to be sent. `MOST_UNSENT` bounds what all connections together hold of them.
3. A worker thread never waits for a client: `write_soon` sends what the socket takes, and the main thread the rest.
4. Times run for a request that arrives, for an answer that is not taken, and for a connection without either. They are
   counted by `time.monotonic`: a clock that is set must stop no timeout.
"""

import contextlib
import os
import socket
import struct
import time
from typing import Any

from waitress.channel import ClientDisconnected, HTTPChannel
from waitress.utilities import Error

from build_admin.server.output import Output
from build_admin.server.parser import Parser
from build_admin.server.task import AppTask, JsonErrorTask

#: Seconds that a client may go on sending after it was answered early, so that the answer is not lost by a reset.
LINGER = 2

#: Bytes a second that a client must take of a large answer at the least.
SLOWEST = 16 * 1024

#: What a connection does that has no request at work: nothing, half a request, or not to take all of its answer.
IDLE, PARTIAL, UNREAD = range(3)

#: To close a socket so that the system forgets at once what is unsent (SO_LINGER, with no time).
_ABORT = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class RequestTimeout(Error):  # type: ignore[misc]
    """RFC 9110, section 15.5.9."""

    code = 408
    reason = "Request Timeout"


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection."""

    error_task_class = JsonErrorTask
    parser_class = Parser

    # Waitress's own, said again for the type checker.
    request: Any
    close_when_flushed: bool
    sent_continue: bool

    #: When the request whose turn it is was queued.
    arrived = 0.0
    #: Whether the client may still be sending when the connection is to be closed.
    lingers = False
    #: When to close, once only the client's sending is waited out.
    lingers_until: float | None = None
    #: When the first byte of `request` was read.
    request_since = 0.0
    #: When the last answer was written, and when the client must have taken it.
    written_at = take_until = 0.0
    #: What was read behind the request whose turn it is.
    _behind = b""
    _last_activity = 0.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Take a connection from waitress's server."""
        super().__init__(*arguments, **options)
        self.outbufs = [Output()]

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

    def write_soon(self, data: bytes) -> int:
        """Send what the socket takes now of `data`, and leave the rest to the main thread. Raises ClientDisconnected.

        Waitress's own waits here, in a worker thread, for a client that has left 16 MB unread.
        """
        with self.outbuf_lock:
            if not self.connected:
                raise ClientDisconnected
            self.outbufs[0].append(data)
            self.total_outbufs_len += len(data)
            self._flush_exception(self._flush_some, do_close=False)
            self._is_to_be_taken()
        if self.total_outbufs_len:
            self.server.bound_unsent()
        return len(data)

    def _is_to_be_taken(self) -> None:
        self.written_at = time.monotonic()
        self.take_until = self.written_at + self.server.settings.request_timeout + self.total_outbufs_len / SLOWEST

    def is_last(self, request: Any) -> bool:
        """Whether no other request has begun to arrive behind this one."""
        return self.requests[-1:] == [request] and not (self.request or self._behind)

    def is_idle(self, seconds: float) -> bool:
        """Whether nothing is being received, worked on or sent, nor was for some seconds."""
        held = self.holds()
        return held is not None and held[0] == IDLE and time.monotonic() - held[1] > seconds

    def holds(self) -> tuple[int, float] | None:
        """Return what the connection does and since when (`time.monotonic`); None where a request is at work."""
        if self.requests:
            return None
        # A request that was read already waits too until the socket can be written.
        if self.total_outbufs_len or self._behind:
            return UNREAD, self.written_at
        return (IDLE, self.last_activity) if self.request is None else (PARTIAL, self.request_since)

    def readable(self) -> bool:
        """Whether bytes are taken in now. Waitress's own says no while a request is at work or an answer unsent."""
        return self.lingers_until is not None or (super().readable() and not self._behind)

    def writable(self) -> bool:
        """Whether `handle_write` has something to do, once the socket can be written."""
        return bool(super().writable() or (self._behind and not self.requests))

    def received(self, data: bytes) -> bool:
        """Take bytes in, as far as the next request goes, or throw them away if everything has been answered.

        This replaces waitress's own, which makes requests of everything that it has read: hundreds of them, each with
        an answer that has to be kept until its turn.
        """
        with self.requests_lock:
            if self.will_close or self.close_when_flushed or self.lingers_until is not None:
                return False
            self._behind += data
            while self._behind and not self.requests:
                self._take()
        return True

    def _take(self) -> None:
        if self.request is None:
            self.request, self.request_since = Parser(self.adj), time.monotonic()
        request = self.request
        taken = request.received(self._behind)
        self._behind = self._behind[taken:]
        if request.expect_continue and request.headers_finished and not self.sent_continue:
            self.send_continue()
            self._is_to_be_taken()
        if request.completed and request.empty:
            # A client that sends nothing but line ends asks nothing either: its time goes on.
            self.request = Parser(self.adj)
        elif request.completed:
            self.sent_continue = False
            self.request = None
            self.requests.append(request)
            self.server.add_task(self)

    def handle_write(self) -> None:
        """Send what there is to send; close if that was the last, or take up what was read behind the last request."""
        lingers = self.lingers and self.close_when_flushed
        if lingers:
            # Waitress would close. To close a socket with unread bytes resets the connection, and the answer may be
            # lost on its way.
            self.close_when_flushed = False
        super().handle_write()
        if lingers and self.total_outbufs_len:
            self.close_when_flushed = True
        elif lingers and self.connected:
            self._linger()
        elif self.connected and self._behind and not (self.requests or self.total_outbufs_len):
            self.received(b"")

    def _linger(self) -> None:
        self.lingers, self._behind = False, b""
        self.lingers_until = time.monotonic() + LINGER
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.handle_close()

    def maintain(self) -> None:
        """Close the connection if its client has been idle, or slow, for too long; in the main thread."""
        now, settings = time.monotonic(), self.server.settings
        does, since = self.holds() or (None, now)
        if does == UNREAD and (now > self.take_until or now - self.last_activity > settings.request_timeout):
            self.abandon()
        elif does == PARTIAL and now - since > settings.request_timeout:
            self._refuse_partial()
        elif (self.lingers_until or now) < now or self.is_idle(settings.idle_timeout):
            self.handle_close()
        elif self.will_close or self.close_when_flushed:
            # The socket may never be reported to be writable.
            self.handle_write()

    def abandon(self) -> None:
        """Close the connection at once, whatever is unsent; in the main thread.

        Waitress's `will_close` takes effect when the socket can be written, which that of a client that reads nothing
        never can.
        """
        if self.total_outbufs_len or self._behind:
            with contextlib.suppress(OSError):
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        self.handle_close()

    def _refuse_partial(self) -> None:
        with self.requests_lock:
            request, self.request = self.request, None
            request.error = RequestTimeout("")
            self.requests.append(request)
            self.server.add_task(self)
