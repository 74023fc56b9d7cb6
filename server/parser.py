"""Parser: parses a request, and applies rules of HTTP that waitress leaves out.

It relies on waitress 3.0.2: `received` calls `parse_header` once, with the request line and all headers, and makes a
ParsingError the request's `error` (400). A request with an `error` is answered with it, and its connection is closed.
"""

import re
from typing import Any

from waitress.parser import HTTPRequestParser, ParsingError
from waitress.utilities import BadRequest, Error, RequestEntityTooLarge

#: A body of up to so many times the limit is received and passed to the application, which checks the token first and
#: then names the limit. A larger one is refused here.
ROOM = 2

#: How many times larger than its content a chunked body can be: a chunk of one byte takes six, with size and line ends.
CHUNKED = 6

#: Maximum size of the trailer of a chunked body, and of a line that begins a chunk, in bytes. Nothing uses either.
LONGEST_LINE = 4096

_TRANSFER_ENCODING = re.compile(rb"^transfer-encoding:(.*)$", re.MULTILINE)

#: A request line (RFC 9112, section 3), and the spaces before a header's value (section 5). Waitress's own patterns
#: need minutes for certain invalid lines, and seconds for thousands of spaces, and no other thread runs meanwhile.
_REQUEST_LINE = re.compile(rb"[!-~]++ [!-~]++ HTTP/[0-9]\.[0-9](?:\r\n|\Z)")
_BEFORE_VALUE = re.compile(rb"^([^:\n]++:)[ \t]++", re.MULTILINE)

#: The characters of a Host (RFC 3986, section 3.2). Waitress joins two headers with a comma and a space.
_HOST = re.compile(r"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")


class VersionNotSupported(Error):  # type: ignore[misc]
    """RFC 9110, section 15.6.6."""

    code = 505
    reason = "HTTP Version Not Supported"


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """Parses one request.

    It refuses a request whose end a proxy may see elsewhere (RFC 9112, section 11.2), and does not ask for a body
    (`100 Continue`) that is already refused.
    """

    #: The `AppTask` with the application's answer; None until the application is called.
    task: Any = None

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the request line and the headers. Raises ParsingError; sets `error` for an unknown version."""
        if not _REQUEST_LINE.match(header_plus):
            raise ParsingError("The request line is invalid")
        if b"\n " in header_plus or b"\n\t" in header_plus:  # obsolete (RFC 9112, section 5.2)
            raise ParsingError("A header is folded")
        lowered = header_plus.lower()
        found = _TRANSFER_ENCODING.findall(lowered) if b"\ntransfer-encoding:" in lowered else []
        codings = [coding.strip(b" \t\r") for coding in found]
        if b"  " in header_plus or b"\t" in header_plus:
            header_plus = _BEFORE_VALUE.sub(rb"\1", header_plus)
        try:
            super().parse_header(header_plus)
        except ValueError:  # a Content-Length with too many digits for Python; an unmatched [ in the URL
            raise ParsingError("The request line or Content-Length is invalid") from None
        if self.version not in ("1.0", "1.1"):
            # Its body is never read: the connection is closed after the answer.
            self.error = VersionNotSupported(f"HTTP/{self.version}")
            return
        # RFC 9112, section 3.2. Falcon's router accepts a path without its slash, the dispatcher does not: `GET ready`
        # would wait for the database in the thread that answers /health.
        if self.path not in ("", "*") and not self.path.startswith("/"):
            raise ParsingError("The request target is invalid")
        # Waitress ignores an empty Transfer-Encoding, a second "chunked", and any Transfer-Encoding in HTTP/1.0.
        if codings and (codings != [b"chunked"] or self.version == "1.0" or "CONTENT_LENGTH" in self.headers):
            raise ParsingError("Transfer-Encoding must be chunked, once, and without a Content-Length")
        host = self.headers.get("HOST")
        if (host is None and self.version == "1.1") or not _HOST.fullmatch(host or ""):
            raise ParsingError("There must be one Host, and it must be valid")
        # The header is a list (RFC 9110, section 7.6.1); waitress compares it as a whole.
        options = self.headers.get("CONNECTION", "").lower()
        if options and "close" in {option.strip(" \t") for option in options.split(",")}:
            self.headers["CONNECTION"] = "close"
            self.connection_close = True
        if self.body_rcv is None:
            # Waitress would take the next request for its body (RFC 9110, section 10.1.1).
            self.expect_continue = False

    def received(self, data: bytes) -> int:
        """Parse bytes, and return how many of them belong to this request."""
        taken: int = super().received(data)
        if self.body_rcv is not None and not self.error:
            # Waitress limits the size with the encoding of chunks; this limits the body itself.
            size = len(self.body_rcv) + self.body_rcv.chunk_remainder if self.chunked else self.content_length
            if size > self.adj.max_request_body_size // CHUNKED:
                self.error = RequestEntityTooLarge("the body is too large")
            elif self.chunked and len(self.body_rcv.control_line) + len(self.body_rcv.trailer) > LONGEST_LINE:
                self.error = BadRequest("a chunk's size with its extensions, or the trailer, is too long")
        if self.error:
            self.completed = True
            self.expect_continue = False
        return taken
