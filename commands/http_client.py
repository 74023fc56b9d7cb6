"""The HTTP client of the client commands, and its errors."""

import contextlib
import http.client
import json
import re
import ssl
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from email.message import Message
from itertools import count, islice
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from build_admin import __version__
from build_admin.commands.errors import CHANGED, FAILED, NOT_THERE, REFUSED, CommandError
from build_admin.commands.text import printable

API = "/api/v1/admin"
BUILDS = f"{API}/builds"
REPAIRS = f"{API}/repairs"

#: Timeout in seconds for connecting and for each read of a response.
TIMEOUT = 60

#: Statuses of a service that is restarting, or of a proxy in front of it, and the longest Retry-After, in seconds,
#: after which a request is sent again.
_AWAY = (502, 503, 504)
_PATIENCE = 30


class Answer(NamedTuple):
    """A successful response: its headers, and its body decoded."""

    headers: Message
    json: Any


def warn_of_unreadable(answer: Answer) -> None:
    """Print a line to stderr if the service cannot show what it answers exactly as it is stored."""
    if unreadable := answer.headers.get("X-Unreadable"):
        print(f"Not valid as stored, and shown as far as possible: {printable(unreadable)}.", file=sys.stderr)


class Refusal(CommandError):
    """An error response; `code` is its HTTP status."""

    def __init__(self, code: int, body: dict[str, Any], request_id: str) -> None:
        sentence = printable(str(body["error"]))
        faults = [(name, fault) for name, said in (body.get("fields") or {}).items() for fault in said]
        # The sentence already has the first few of the faults.
        told = [printable(f"{name} {fault}").rstrip(".") for name, fault in faults]
        lines = [f"  {fault}" for fault in told if fault not in sentence]
        about = f" (request {request_id})" if code >= 500 and request_id not in sentence else ""
        status = FAILED if code >= 500 else {404: NOT_THERE, 412: CHANGED}.get(code, REFUSED)
        super().__init__("\n".join([sentence + about, *lines]), status)
        self.code = code


class Client:
    """Sends requests to one service. Each opens a connection of its own: the user may take minutes between two."""

    def __init__(self, url: str, token: Callable[[], str]) -> None:
        """Send requests to the service at `url`, which may have a path; `token` returns the token for each."""
        self.url = url
        self._token = token
        #: One id for all requests of a command, so that they can be found together in the service's log.
        self._request_id = uuid.uuid4().hex[:12]

    def get(self, path: str, **parameters: Any) -> Answer:
        """GET `path`; a parameter that is None is left out. Raises CommandError."""
        given = {name: value for name, value in parameters.items() if value is not None}
        return self._request("GET", path + ("?" + urlencode(given, quote_via=quote, safe=",") if given else ""))

    def list(self, path: str, limit: int = 0, **parameters: Any) -> tuple[int | None, Iterator[Any]]:
        """GET a list; return how many items there are, None if they are not counted, and `limit` of them, 0 for all.

        Raises CommandError.
        """
        parameters["per_page"] = min(limit or 100, 100)
        first = self.get(path, **parameters)

        def items() -> Iterator[Any]:
            answer = first
            for page in count(2):
                warn_of_unreadable(answer)
                yield from answer.json
                if 'rel="next"' not in answer.headers.get("Link", ""):
                    return
                answer = self.get(path, **parameters, page=page)

        total = first.headers.get("X-Total-Count")
        return int(total) if total else None, islice(items(), limit or None)

    def send(
        self, method: str, path: str, body: Any = None, *, tag: str | None = None, dry_run: bool = False
    ) -> Answer:
        """Send a change with `If-Match: tag`, or with `dry_run` ask for its preview. Raises CommandError.

        The body is sent as JSON; bytes are sent unchanged. An empty tag, where a proxy has removed the ETag, is sent
        too: the service refuses it, so that nothing is overwritten without a precondition.
        """
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        return self._request(method, path + ("?dry_run=true" if dry_run else ""), content, tag, safe=dry_run)

    def _request(
        self, method: str, target: str, body: bytes | None = None, tag: str | None = None, *, safe: bool = True
    ) -> Answer:
        """Send a request. One that is `safe` is sent once more if the service is away for a moment."""
        response, content = self._exchange(method, target, body, tag, safe)
        wait = response.headers.get("Retry-After", "1")
        if safe and response.status in _AWAY and re.fullmatch("[0-9]{1,3}", wait) and int(wait) <= _PATIENCE:
            print(f"{self.url} answers {response.status}; trying once more in {wait} s", file=sys.stderr)
            time.sleep(int(wait))
            response, content = self._exchange(method, target, body, tag, safe)
        return self._read(response, content)

    def _exchange(
        self, method: str, target: str, body: bytes | None, tag: str | None, safe: bool
    ) -> tuple[http.client.HTTPResponse, bytes]:
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        headers = {
            "Authorization": f"Bearer {self._token()}",
            "User-Agent": f"build-admin/{__version__}",
            "X-Request-ID": self._request_id,
            **({"If-Match": tag} if tag is not None else {}),
            **({"Content-Type": "application/json"} if body is not None else {}),
        }
        with contextlib.closing(kind(parts.hostname or "", parts.port, timeout=TIMEOUT)) as connection:
            try:
                connection.connect()
            except OSError as error:
                raise CommandError(f"{self.url} cannot be reached: {_reason(error)}.") from error
            try:
                connection.request(method, parts.path + target, body, headers)
                response = connection.getresponse()
                return response, response.read()
            except (OSError, http.client.HTTPException) as error:
                doubt = "" if safe else " Whether it has made the change is not known; look before you try again."
                raise CommandError(f"{self.url} does not answer: {_reason(error)}.{doubt}") from error

    def _read(self, response: http.client.HTTPResponse, content: bytes) -> Answer:
        code, headers = response.status, response.headers
        if 300 <= code < 400:
            place = printable(headers.get("Location", "another place"))
            raise CommandError(f"{self.url} sends its clients to {place}; set BUILD_ADMIN_URL to its own address.")
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            title = re.search(rb"<title>\s*(.*?)\s*</title>", content, re.DOTALL | re.IGNORECASE)
            said = f', "{printable(title[1].decode("utf-8", "replace"))}"' if title else ""
            what = "a page for browsers" if headers.get_content_subtype() == "html" else "no JSON"
            raise CommandError(
                f"{self.url} answers {code} with {what}{said}, which does not come from Build Admin. "
                "Is there a proxy before it, or is BUILD_ADMIN_URL another server's?"
            ) from None
        if code >= 400:
            told = isinstance(body, dict) and "error" in body
            raise Refusal(code, body if told else {"error": f"{self.url} answers {code}."}, self._request_id)
        return Answer(headers, body)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); SSL_CERT_FILE can name its authority's"
    if isinstance(error, TimeoutError):
        return f"nothing came within {TIMEOUT} seconds"
    if isinstance(error, http.client.RemoteDisconnected | http.client.IncompleteRead):
        return "the connection was closed before the answer was there"
    if isinstance(error, http.client.HTTPException):
        return "what it sends is not HTTP"
    return printable(str(getattr(error, "strerror", None) or error)).rstrip(".")
