"""Query: a request's parameters, read strictly and checked with the route's schema."""

import re
from typing import Any
from urllib.parse import parse_qsl

import falcon
from marshmallow import ValidationError

from build_admin.schemas.parameters import Parameters

_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})|[^\x21-\x7e]")


def parameters(schema: Parameters, req: falcon.Request) -> dict[str, Any]:
    """Return the parameters of a request. Raises HTTPBadRequest, with every fault, for what `schema` refuses."""
    if not req.query_string:
        return schema.defaults
    try:
        return schema.load(sent(req))  # type: ignore[no-any-return]
    except ValidationError as error:
        faults = [f"{name} {fault}" for name, faults in error.normalized_messages().items() for fault in faults]
        raise falcon.HTTPBadRequest(description=f"The query was refused: {' '.join(faults)}") from None


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
