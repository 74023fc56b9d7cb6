"""Channel: a connection, the requests that arrive on it, and their answers.

It relies on waitress 3.0.2: only the main thread calls `handle_read`, `handle_write`, `handle_close`, `readable`,
`writable` and `received`. A worker thread calls `service`, which answers `requests[0]`, removes it after that, and
writes with `write_soon`. With `close_when_flushed` the main thread closes the connection once everything is sent.

The memory and the time that a client can take are bounded:

1. One request is parsed at a time. Bytes that arrive after it are kept unparsed, at most those of one read from the
   socket (8 KB). Nothing more is read until the request is answered and the answer is sent.
2. So a connection has at most one unsent answer. `MOST_UNSENT` bounds those of all connections together.
3. A worker thread never waits for a client: `write_soon` sends what the socket accepts, and the main thread the rest.
4. There is a timeout for a request to arrive, for an answer to be read, and for a connection without either. All use
   `time.monotonic`, because the wall clock can be set.
"""

import contextlib
import os
import socket
import struct
import time
from typing import Any

from waitress.buffers import ReadOnlyFileBasedBuffer
from waitress.channel import ClientDisconnected, HTTPChannel
from waitress.utilities import Error

from build_admin.server.output import Output
from build_admin.server.parser import Parser
from build_admin.server.task import AppTask, JsonErrorTask

#: Seconds for which a client may send on after an early answer. A close at once would be a reset, which can discard the
#: answer before the client has read it.
LINGER = 2

#: Bytes of a large answer that a client must read in a second.
SLOWEST = 16 * 1024

#: The state of a connection none of whose requests is being answered: nothing received, an incomplete request, or an
#: answer that is not read.
IDLE, PARTIAL, UNREAD = range(3)

#: Option SO_LINGER with a time of 0: a close discards unsent data at once.
_ABORT = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class RequestTimeout(Error):  # type: ignore[misc]
    """RFC 9110, section 15.5.9."""

    code = 408
    reason = "Request Timeout"


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection."""

    error_task_class = JsonErrorTask
    parser_class = Parser

    # Attributes of the base class, for the type checker.
    request: Any
    close_when_flushed: bool
    sent_continue: bool

    # All times are in seconds of `time.monotonic`.

    #: When the current request was queued.
    arrived = 0.0
    #: Whether the client may still be sending when the connection is to be closed.
    lingers = False
    #: When to close the connection; set once its answer is sent and only the client's own data is awaited.
    lingers_until: float | None = None
    #: When the first byte of `request` was read.
    request_since = 0.0
    #: When the last answer was written, and when the client must have read it.
    written_at = take_until = 0.0
    #: Unparsed bytes after the current request.
    _behind = b""
    _last_activity = 0.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Take a connection from waitress's server."""
        super().__init__(*arguments, **options)
        self.outbufs = [Output()]

    @property
    def last_activity(self) -> float:
        """When data was last received or sent."""
        return self._last_activity

    @last_activity.setter
    def last_activity(self, _: float) -> None:
        # Waitress assigns the time of the wall clock in several places.
        self._last_activity = time.monotonic()

    def call(self) -> None:
        """Call the application for the current request, and keep the answer for `service` to send.

        The request must be well-formed. If its client has disconnected, this does nothing.
        """
        if self.connected:
            task = AppTask(self, self.requests[0])
            task.call()
            self.requests[0].task = task

    def task_class(self, channel: "Channel", request: Parser) -> AppTask:
        """Return the task that has the answer to a request; waitress's `service` calls this to make a task."""
        return request.task or AppTask(channel, request)

    def service(self) -> None:
        """Send the answer to the current request."""
        # Once it is answered, `requests[0]` may be the next one, in another thread.
        request = self.requests[0]
        try:
            super().service()
        finally:
            # Break the reference cycle: the garbage collector runs rarely (see `serve`).
            request.task = None

    def write_soon(self, data: bytes | ReadOnlyFileBasedBuffer) -> int:
        """Send what the socket accepts of `data`, and leave the rest to the main thread. Raises ClientDisconnected.

        Waitress's own method makes the worker thread wait for a client that has not read 16 MB.
        """
        with self.outbuf_lock:
            if not self.connected:
                raise ClientDisconnected
            # Before the size is there, which `bound_unsent` reads in other threads: the client has had no time to read.
            self.last_activity = time.monotonic()
            if isinstance(data, ReadOnlyFileBasedBuffer):
                self.outbufs += [data, Output()]
            else:
                self.outbufs[-1].append(data)
            self.total_outbufs_len += len(data)
            self._flush_exception(self._flush_some, do_close=False)
            self._start_read_timeout()
        if self.total_outbufs_len:
            self.server.bound_unsent()
        return len(data)

    def _start_read_timeout(self) -> None:
        self.written_at = time.monotonic()
        self.take_until = self.written_at + self.server.settings.request_timeout + self.total_outbufs_len / SLOWEST

    def unsent(self, kind: type) -> int:
        """Return how many bytes of answers wait to be sent in memory (Output), or in files."""
        return sum(len(output) for output in list(self.outbufs) if isinstance(output, kind))

    def is_last(self, request: Any) -> bool:
        """Whether no other request has begun to arrive after this one."""
        return self.requests[-1:] == [request] and not (self.request or self._behind)

    def is_idle(self, seconds: float) -> bool:
        """Whether no data was received or sent for some seconds, and no request is being answered."""
        held = self.holds()
        return held is not None and held[0] == IDLE and time.monotonic() - held[1] > seconds

    def holds(self) -> tuple[int, float] | None:
        """Return the connection's state and since when it has it; None while a request is being answered."""
        if self.requests:
            return None
        # Bytes in `_behind` are parsed only when the answer is sent, so they wait for the client too.
        if self.total_outbufs_len or self._behind:
            return UNREAD, self.written_at
        return (IDLE, self.last_activity) if self.request is None else (PARTIAL, self.request_since)

    def readable(self) -> bool:
        """Whether to read. Waitress's own method returns False while a request is answered or an answer is unsent."""
        if self.lingers_until is not None:
            return True
        busy = self.requests or self.total_outbufs_len or self._behind
        return not (busy or self.will_close or self.close_when_flushed)

    def writable(self) -> bool:
        """Whether `handle_write` has something to do when the socket is writable."""
        due = self.total_outbufs_len or self.will_close or self.close_when_flushed
        return bool(due or (self._behind and not self.requests))

    def received(self, data: bytes) -> bool:
        """Parse `data` up to the end of the next request, or discard it if the connection is to be closed.

        Waitress's own method parses everything that was read. That can be hundreds of pipelined requests, and their
        answers would all be kept in memory.
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
            self._start_read_timeout()
        if request.completed and request.empty:
            # Empty lines are no request: the timeout for its first byte goes on.
            self.request = Parser(self.adj)
        elif request.completed:
            self.sent_continue = False
            self.request = None
            self.requests.append(request)
            self.server.add_task(self)

    def handle_write(self) -> None:
        """Send unsent data. After the last of it, close the connection if that is due, or parse the next request."""
        lingers = self.lingers and self.close_when_flushed
        if lingers:
            # Keep waitress from closing the socket. Closing it with unread data would reset the connection, and the
            # client might lose the answer.
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
        """Close the connection if its client was idle or slow for too long; in the main thread."""
        now, settings = time.monotonic(), self.server.settings
        does, since = self.holds() or (None, now)
        if does == UNREAD and (now > self.take_until or now - self.last_activity > settings.request_timeout):
            self.abandon()
        elif does == PARTIAL and now - since > settings.request_timeout:
            self._refuse_partial()
        elif (self.lingers_until or now) < now or self.is_idle(settings.idle_timeout):
            self.handle_close()
        elif self.will_close or self.close_when_flushed:
            # The socket may never become writable.
            self.handle_write()

    def abandon(self) -> None:
        """Close the connection at once and discard unsent data; in the main thread.

        Waitress's `will_close` has an effect only when the socket is writable. It never is if the client does not read.
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
