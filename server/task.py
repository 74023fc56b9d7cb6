"""Task: makes the answer to a request, from the application's response or, for a malformed request, itself.

It relies on waitress 3.0.2: `Task.service` calls `start`, `execute` and `finish`; `channel_class` and the task classes
of a channel can be replaced; the channel closes the connection after an answer with `close_on_finish`; the parser sets
`connection_close` if the client's version and Connection header ask for that.
"""

import functools
import json
import logging
from typing import Any

from waitress.buffers import ReadOnlyFileBasedBuffer
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import build_http_date

from build_admin.logs import event, request_id

log = logging.getLogger("build_admin.request")

#: Maximum size in bytes of a body that is sent in one piece with its headers; a larger one is not copied for that.
TOGETHER = 16 * 1024

_SENTENCES = {
    400: "The request is not valid HTTP (RFC 9112).",
    408: "The request did not arrive in time; send it again.",
    413: "The body is too large.",
    431: "The request line and the headers are too long.",
    501: "This Transfer-Encoding is not supported; send the body with a Content-Length, or chunked.",
    505: "This version of HTTP is not supported; use HTTP/1.1.",
}


class JsonErrorTask(ErrorTask):  # type: ignore[misc]
    """Answers a request that never reaches the application, in JSON."""

    def execute(self) -> None:
        """Log the request, write the answer, and close the connection after it.

        A request whose first line could not be parsed has no method and no path.
        """
        request, error = self.request, self.request.error
        identifier = request_id(request.headers.get("X_REQUEST_ID"))
        event(
            log,
            logging.INFO,
            "request",
            method=getattr(request, "command", None),
            path=getattr(request, "path", None),
            status=error.code,
            client=self.channel.addr[0],
            refused=error.body or None,
            request=identifier,
        )
        sentence = _SENTENCES.get(error.code, "This is a defect of Build Admin; its log has the details.")
        body = (json.dumps({"error": sentence}) + "\n").encode("ascii")
        self.status = f"{error.code} {error.reason}"
        self.response_headers += [
            ("Content-Type", "application/json"),
            ("X-Request-ID", identifier),
        ]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.channel.lingers = True
        self.write(body)


@functools.lru_cache(1)
def _date(at: int) -> str:
    """Return a time (Unix seconds) in the format of RFC 9110, section 5.6.7."""
    return build_http_date(at)  # type: ignore[no-any-return]


class AppTask(WSGITask):  # type: ignore[misc]
    """Answers a request with the application's response, in two steps: `call` keeps it, and `execute` writes it.

    So the answers of a group are kept until its commit. Waitress's own `execute` writes while it calls.
    """

    # Attributes of the base class, for the type checker.
    close_on_finish: bool
    _body: bytes | ReadOnlyFileBasedBuffer = b""
    _error: Exception | None = None

    def call(self) -> None:
        """Call the application and keep its answer, or its exception for `execute` to raise."""
        self.start()
        try:
            # In a second call, the first one has read it already.
            self.request.get_body_stream().seek(0)
            answer = self.channel.server.application(self.get_environment(), self._start_response)
            if isinstance(answer, ReadOnlyFileBasedBuffer) and answer.prepare() > TOGETHER:
                self._body = answer  # the channel reads it, and closes it
                return
            try:
                self._body = b"".join(answer)
            finally:
                if hasattr(answer, "close"):
                    answer.close()
        except Exception as error:
            self._error = error

    def execute(self) -> None:
        """Write the whole answer. Raises the application's exception, which waitress answers with 500."""
        if self._error is not None:
            raise self._error
        body = self._body if self.has_body else b""
        header = self.build_response_header()
        self.wrote_header = True
        if len(body) > TOGETHER:
            self.channel.write_soon(header)
            self.channel.write_soon(body)
        else:
            self.channel.write_soon(header + body)

    def build_response_header(self) -> bytes:
        """Return the status line and headers. Raises ValueError for a header with a line break.

        Waitress's own method closes the connection after an answer without a Content-Length. But one without a body
        ends with its headers (RFC 9112, section 6.3).
        """
        headers = self.response_headers
        if self.has_body and not any(name.lower() == "content-length" for name, _ in headers):
            headers.append(("content-length", str(len(self._body))))
        if self._closes():
            self.close_on_finish = True
            headers.append(("connection", "close"))
        elif self.version == "1.0":
            headers.append(("connection", "keep-alive"))
        lines = [f"HTTP/{self.version} {self.status}", *(f"{name.title()}: {value}" for name, value in headers), "", ""]
        header = "\r\n".join(lines)
        if header.count("\n") != len(lines) - 1 or header.count("\r") != len(lines) - 1:
            raise ValueError("A header has more than one line.")
        return header.encode("latin-1")

    def _closes(self) -> bool:
        """Return whether to close the connection: the client asks for it, another one waits, or the server stops."""
        server = self.channel.server
        if server.pending or (server.stopping and self.channel.is_last(self.request)):
            # The client may send more before it has read that.
            self.channel.lingers = True
            return True
        return bool(self.request.connection_close)

    def _start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self.complete = True
        self.status = status
        self.response_headers = [*headers, ("Date", _date(int(self.start_time)))]
        return self.write
