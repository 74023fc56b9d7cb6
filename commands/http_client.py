"""HTTP client: how the client commands speak to the service, and what they say if it does not answer as it should."""

import contextlib
import http.client
import json
import re
import ssl
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from build_admin import __version__
from build_admin.commands.errors import CHANGED, FAILED, NOT_THERE, REFUSED, CommandError
from build_admin.commands.text import printable

API = "/api/v1/admin"

#: Seconds that a connection, or the next part of an answer, is waited for.
TIMEOUT = 60

#: The longest Retry-After, in seconds, that is waited for.
PATIENCE = 30

#: What a service that is being restarted answers, or the proxy before it.
_AWAY = (502, 503, 504)

_STATUSES = {404: NOT_THERE, 412: CHANGED}


@dataclass(frozen=True)
class Answer:
    """A response that is not an error.

    Attributes:
        headers: its headers.
        json: what its body holds.

    """

    headers: http.client.HTTPMessage
    json: Any

    @property
    def etag(self) -> str:
        """The entity tag as `If-Match` takes it, quotes included; empty if there is none."""
        return self.headers.get("ETag", "")


class Refusal(CommandError):
    """An answer that is an error.

    Attributes:
        code: its HTTP status.
        faults: what is wrong, a line each, where the service says it by field.

    """

    def __init__(self, code: int, body: dict[str, Any], request_id: str) -> None:
        sentence = printable(str(body["error"]))
        faults = body.get("fields") or {}
        self.faults = [printable(f"{name}: {fault}") for name, said in faults.items() for fault in said]
        self.code = code
        told = [f"  {fault}" for fault in self.faults if fault.partition(": ")[2].rstrip(".") not in sentence]
        if code >= 500 and request_id not in sentence:
            sentence += f" (request {request_id})"
        super().__init__("\n".join([sentence, *told]), FAILED if code >= 500 else _STATUSES.get(code, REFUSED))


class Client:
    """Speaks to one service. Each request has a connection of its own: between two a person may think for minutes."""

    def __init__(self, url: str, token: Callable[[], str]) -> None:
        """Speak to the service at `url`, which may have a path; `token` gives the token for the next request."""
        self.url = url
        self._token = token
        #: One for all requests of a command, so that the service's log shows what belongs together.
        self._request_id = uuid.uuid4().hex[:12]

    def get(self, path: str, **parameters: Any) -> Answer:
        """GET `path`, which is below `API`; a parameter that is None is left out. Raises CommandError."""
        given = {name: value for name, value in parameters.items() if value is not None}
        return self._request("GET", f"{API}{path}{_query(given)}", None, {}, safe=True)

    def list(self, path: str, limit: int = 0, **parameters: Any) -> tuple[int, Iterator[Any]]:
        """GET a list; return how many items there are, and `limit` of them, all if it is 0. Raises CommandError."""
        parameters["per_page"] = min(limit or 100, 100)
        first = self.get(path, **parameters)
        items = self._items(first, path, parameters)
        return int(first.headers.get("X-Total-Count", 0)), islice(items, limit or None)

    def _items(self, answer: Answer, path: str, parameters: dict[str, Any]) -> Iterator[Any]:
        yield from answer.json
        page = 1
        while 'rel="next"' in answer.headers.get("Link", ""):
            page += 1
            answer = self.get(path, **parameters, page=page)
            yield from answer.json

    def send(self, method: str, path: str, body: Any = None, *, tag: str = "", dry_run: bool = False) -> Answer:
        """Ask for a change, or with `dry_run` what it would be.

        Args:
            method: PUT or POST.
            path: the path below `API`.
            body: what is sent as JSON; bytes are sent as they are.
            tag: the entity tag that the change was decided on, None and "" for none.
            dry_run: whether nothing is to be changed.

        Raises CommandError.

        """
        headers = {"If-Match": tag} if tag else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        query = _query({"dry_run": "true"} if dry_run else {})
        return self._request(method, f"{API}{path}{query}", body, headers, safe=dry_run)

    def description(self) -> Any:
        """Return the service's OpenAPI document. Raises CommandError."""
        return self._request("GET", "/openapi.json", None, {}, safe=True).json

    def _request(self, method: str, target: str, body: bytes | None, headers: dict[str, str], *, safe: bool) -> Answer:
        """Make a request, and where it is `safe` and the service is away for a moment, make it once more."""
        response, content = self._exchange(method, target, body, headers, safe=safe)
        wait = response.headers.get("Retry-After", "1")
        if safe and response.status in _AWAY and re.fullmatch("[0-9]{1,3}", wait) and int(wait) <= PATIENCE:
            print(f"{self.url} answers {response.status}; trying once more in {wait} s", file=sys.stderr)
            time.sleep(int(wait))
            response, content = self._exchange(method, target, body, headers, safe=safe)
        return self._read(response, content)

    def _exchange(
        self, method: str, target: str, body: bytes | None, headers: dict[str, str], *, safe: bool
    ) -> tuple[http.client.HTTPResponse, bytes]:
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
        given = {
            "Accept": "application/json",
            "Authorization": f"Bearer {self._token()}",
            "User-Agent": f"build-admin/{__version__}",
            "X-Request-ID": self._request_id,
        }
        with contextlib.closing(connection):
            try:
                connection.connect()
            except OSError as error:
                raise CommandError(f"{self.url} cannot be reached: {_reason(error)}.") from error
            try:
                connection.request(method, parts.path + target, body, given | headers)
                response = connection.getresponse()
                return response, response.read()
            except (OSError, http.client.HTTPException) as error:
                doubt = "" if safe else " Whether it has made the change is not known; look before you try again."
                raise CommandError(f"{self.url} does not answer: {_reason(error)}.{doubt}") from error

    def _read(self, response: http.client.HTTPResponse, content: bytes) -> Answer:
        code = response.status
        if 300 <= code < 400:
            place = printable(response.headers.get("Location", "another place"))
            raise CommandError(f"{self.url} sends its clients to {place}; set BUILD_ADMIN_URL to its own address.")
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            title = re.search(rb"<title>\s*(.*?)\s*</title>", content, re.DOTALL | re.IGNORECASE)
            said = f', "{printable(title[1].decode("utf-8", "replace"))}"' if title else ""
            what = "a page for browsers" if response.headers.get_content_subtype() == "html" else "no JSON"
            raise CommandError(
                f"{self.url} answers {code} with {what}{said}, which does not come from Build Admin. "
                "Is there a proxy before it, or is BUILD_ADMIN_URL another server's?"
            ) from None
        if code >= 400:
            error = body if isinstance(body, dict) and "error" in body else {"error": f"{self.url} answers {code}."}
            raise Refusal(code, error, self._request_id)
        return Answer(response.headers, body)


def _query(parameters: dict[str, Any]) -> str:
    return "?" + urlencode(parameters, quote_via=quote, safe=",") if parameters else ""


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
