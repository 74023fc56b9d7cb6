"""Requests: what a resource reads from a path, a query, a body and the context, strictly."""

import re
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, quote

import falcon
from marshmallow import ValidationError

from build_admin.models.builds import Author
from build_admin.schemas.fields import MAX_INTEGER
from build_admin.schemas.parameters import Parameters

#: Maximum length of a Content-Type in characters; the rest of a longer one is ignored.
LONGEST_TYPE = 200

_DECIMAL = re.compile(r"[1-9][0-9]{0,18}")
_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})|[^\x21-\x7e]")


def author(req: falcon.Request) -> Author:
    """Return who makes the changes of a request: the subject of its token, and its id."""
    return Author(req.context.subject, req.context.request_id)


def address(req: falcon.Request, path: str) -> str:
    """Return a path of this service, such as `/api/v1/admin/build`, below WSGI's SCRIPT_NAME (PEP 3333)."""
    return quote(req.root_path.rstrip("/")) + path


def identifier(text: str) -> int:
    """Return the number that a part of a path stands for.

    Raises HTTPNotFound unless it is an integer from 1 to MAX_INTEGER in decimal digits, without leading zeros.
    """
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_INTEGER:
        raise falcon.HTTPNotFound(
            description=f"Nothing has this number. A number in a path is from 1 to {MAX_INTEGER}, in plain digits."
        )
    return int(text)


def parameters(kind: type[Parameters], req: falcon.Request) -> dict[str, Any]:
    """Return the parameters of a request. Raises HTTPBadRequest, with every fault, for what their schema refuses."""
    schema = _schema(kind)
    if not req.query_string:
        return schema.defaults
    try:
        return schema.load(sent(req))  # type: ignore[no-any-return]
    except ValidationError as error:
        faults = [f"{name} {fault}" for name, faults in error.normalized_messages().items() for fault in faults]
        raise falcon.HTTPBadRequest(description=f"The query was refused: {' '.join(faults)}") from None


@cache
def _schema(kind: type[Parameters]) -> Parameters:
    return kind()


def sent(req: falcon.Request) -> dict[str, str]:
    """Return the parameters of a request as texts, by name.

    Raises HTTPBadRequest for a repeated parameter, and for a query that is not percent-encoded UTF-8 (RFC 3986, section
    2.1). Falcon's own parser would replace its invalid bytes.
    """
    try:
        pairs = parse_qsl(req.query_string, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        pairs = None
    if pairs is None or _BROKEN.search(req.query_string):
        raise falcon.HTTPBadRequest(description="The query must be percent-encoded UTF-8.")
    values = dict(pairs)
    if len(values) != len(pairs):
        raise falcon.HTTPBadRequest(description="The query has a parameter twice; send it once.")
    return values


def read_body(req: falcon.Request, most: int) -> bytes:
    """Return the bytes of a request's body.

    Raises HTTPContentTooLarge for more than `most` bytes, and HTTPUnsupportedMediaType for a body that is not
    declared as `application/json` in UTF-8, or that is encoded.
    """
    if (req.content_length or 0) > most:
        raise falcon.HTTPContentTooLarge(description=f"The body has more than {most} bytes.")
    if req.get_header("Content-Encoding"):
        raise falcon.HTTPUnsupportedMediaType(
            description="The body must be sent as it is, without a Content-Encoding.",
            headers={"Accept-Encoding": "identity"},
        )
    # Falcon needs seconds for certain long ones.
    media_type, options = falcon.parse_header((req.content_type or "")[:LONGEST_TYPE])
    if media_type.strip().lower() != "application/json" or options.get("charset", "utf-8").lower() != "utf-8":
        raise falcon.HTTPUnsupportedMediaType(
            description="The body must be JSON in UTF-8; send 'Content-Type: application/json'.",
            headers={"Accept": "application/json"},
        )
    # A chunked body has a Content-Length too: waitress reads it whole before, and sets CONTENT_LENGTH.
    return req.bounded_stream.read()
