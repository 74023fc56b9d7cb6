"""Parser: a request as it arrives, and what HTTP asks of one that waitress lets pass.

It relies on waitress 3.0.2: `received` calls `parse_header` once, with the request line and all headers, and answers a
ParsingError with 400; a request with an `error` is answered with that, and its connection is closed after the answer.
"""

import re
from typing import Any

from waitress.parser import HTTPRequestParser, ParsingError
from waitress.utilities import Error, RequestEntityTooLarge

#: How many times the limit of a body is taken in before it is refused here, in words that name no limit. What is
#: smaller reaches the application, which asks for a token first and then says what the limit is.
ROOM = 2

#: How many times its content a chunked body may be on its way: in chunks of one byte each has a size and two line ends.
CHUNKED = 6

_TRANSFER_ENCODING = re.compile(rb"^transfer-encoding:[ \t]*(.*?)[ \t]*\r?$", re.MULTILINE)

#: What a Host can consist of (RFC 3986, section 3.2). Waitress joins two of them by a comma and a space.
_HOST = re.compile(r"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")


class VersionNotSupported(Error):  # type: ignore[misc]
    """RFC 9110, section 15.6.6."""

    code = 505
    reason = "HTTP Version Not Supported"


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """A request as it arrives.

    It takes no request whose end two servers may see differently (RFC 9112, section 11.2), and asks for no body that
    is refused already.
    """

    #: The `AppTask` that has the application's answer, once it was called; None before.
    task: Any = None

    def parse_header(self, header_plus: bytes) -> None:
        """Read the request line and the headers. Raises ParsingError, and sets `error` for an unknown version."""
        lowered = header_plus.lower()
        codings = _TRANSFER_ENCODING.findall(lowered) if b"\ntransfer-encoding:" in lowered else []
        try:
            super().parse_header(header_plus)
        except ValueError:  # from a Content-Length of more digits than Python reads, and from a URL with half a [
            raise ParsingError("The request line or Content-Length is invalid") from None
        if not self.version:
            raise ParsingError("The request line has no version")
        if self.version not in ("1.0", "1.1"):
            # With a length that is never read: the connection is closed after the answer.
            self.error = VersionNotSupported(f"HTTP/{self.version}")
            return
        # Waitress takes no notice of an empty Transfer-Encoding, of a second "chunked", and of any in HTTP/1.0.
        if codings and (codings != [b"chunked"] or self.version == "1.0" or "CONTENT_LENGTH" in self.headers):
            raise ParsingError("Transfer-Encoding must be chunked, once, and without a Content-Length")
        host = self.headers.get("HOST")
        if (host is None and self.version == "1.1") or not _HOST.fullmatch(host or ""):
            raise ParsingError("There must be one Host, and it must be valid")
        # Waitress compares the whole header, which is a list (RFC 9110, section 7.6.1).
        if "close" in {option.strip(" \t") for option in self.headers.get("CONNECTION", "").lower().split(",")}:
            self.headers["CONNECTION"] = "close"
            self.connection_close = True
        if self.body_rcv is None:
            # Waitress would wait for a body, and take the next request for it (RFC 9110, section 10.1.1).
            self.expect_continue = False

    def received(self, data: bytes) -> int:
        """Take bytes in, and return how many of them belong to this request."""
        taken: int = super().received(data)
        if self.body_rcv is not None and not self.error:
            # Waitress's own limit is on what a body takes on its way; this one is on the body.
            size = max(self.content_length, len(self.body_rcv))
            if size > self.adj.max_request_body_size // CHUNKED:
                self.error = RequestEntityTooLarge("the body is too large")
        if self.error:
            self.completed = True
            self.expect_continue = False
        return taken
