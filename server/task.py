"""Task: a request that is answered, by the application or, where it never reaches that, in its place."""

import functools
import json
from typing import Any

from waitress.task import ErrorTask, WSGITask
from waitress.utilities import Error, build_http_date

from build_admin.middleware import request_id
from build_admin.resources.read_ahead import ARRIVED, WAITING

_SENTENCES = {
    400: "The request is not HTTP as RFC 9112 has it.",
    408: "The request did not arrive in time; send it again.",
    413: "The body is too large.",
    431: "The request line and the headers are too long.",
    501: "This Transfer-Encoding is not supported; send the body as it is, or chunked.",
}


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


@functools.lru_cache(1)
def _date(at: int) -> str:
    """Return a time (Unix seconds) as HTTP has it (RFC 9110, section 5.6.7)."""
    return build_http_date(at)  # type: ignore[no-any-return]


class AppTask(WSGITask):  # type: ignore[misc]
    """Answers a request as the application does, in two steps, so that several answers can wait for one commit."""

    content_length: int | None
    _answer: Any = None
    _body: bytes | None = None
    _error: Exception | None = None

    def begin(self) -> bool:
        """Call the application, and return whether its answer waits for something that others may share."""
        self.start()
        try:
            self._answer = self.channel.server.application(self._environment(), self._start_response)
        except Exception as error:  # waitress answers it when its turn comes
            self._error = error
        return getattr(self._answer, "waits", False)

    def settle(self) -> None:
        """Have the answer ready to be written, whole."""
        try:
            if self._answer is not None and self._body is None:
                self._body = b"".join(self._answer)
        except Exception as error:
            self._error = error

    def execute(self) -> None:
        """Write the answer, whole."""
        if self._answer is None and self._error is None:
            self.begin()
        self.settle()
        if self._error is not None:
            raise self._error
        body = self._body or b""
        if self.content_length is None:
            self.content_length = len(body)
        header = self.build_response_header()
        if header.count(b"\n") != len(self.response_headers) + 2:
            raise ValueError("A header has more than one line.")
        self.wrote_header = True
        self.channel.write_soon(header + body if self.has_body else header)

    def close(self) -> None:
        """Let go of the answer, written or not, and of what it knows this task by."""
        if hasattr(self._answer, "close"):
            self._answer.close()
        self._answer = None

    def build_response_header(self) -> bytes:
        """Return the status line and headers."""
        # A client is told that its connection closes where the server stops and nothing else is to be answered.
        if self.channel.server.stopping and self.channel.is_last(self.request):
            self.set_close_on_finish()
        header: bytes = super().build_response_header()
        return header

    def _environment(self) -> dict[str, Any]:
        environment: dict[str, Any] = self.get_environment()
        environment[ARRIVED] = self.request
        environment[WAITING] = self.channel.server.task_dispatcher.waiting
        return environment

    def _start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self.complete = True
        self.status = status
        self.response_headers = [*headers, ("Date", _date(int(self.start_time)))]
        return self.write
