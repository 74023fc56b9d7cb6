"""Query: a request's parameters, checked with the route's schema."""

from typing import Any

import falcon
from marshmallow import ValidationError

from schemas.parameters import Parameters


def parameters(schema: Parameters, req: falcon.Request) -> dict[str, Any]:
    """Return the parameters of a request. Raises HTTPBadRequest, with every fault, for what `schema` refuses."""
    if not req.query_string:
        return schema.defaults
    try:
        return schema.load(req.params)  # type: ignore[no-any-return]
    except ValidationError as error:
        faults = [f"{name} {fault}" for name, faults in error.normalized_messages().items() for fault in faults]
        raise falcon.HTTPBadRequest(description=f"The query was refused: {' '.join(faults)}") from None
