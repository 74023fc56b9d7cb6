"""Methods: one that HTTP does not know is refused as such, which Falcon itself takes for a bad request."""

from typing import Any

import falcon

_KNOWN = frozenset(falcon.COMBINED_METHODS)


class Request(falcon.Request):
    """A request, in which `WEBSOCKET` is a method that HTTP does not know, like any other.

    Falcon keeps that name for itself, and refuses it before any middleware has asked for a token or given it an id.
    """

    __slots__ = ()

    def __init__(self, env: dict[str, Any], options: falcon.RequestOptions | None = None) -> None:
        super().__init__(env, options)
        if self.method == "WEBSOCKET":
            self.method = "websocket"


class Methods:
    """Falcon middleware that answers a method that nothing here could ever take (RFC 9110, section 15.6.2)."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Raise HTTPNotImplemented for such a method; one that is only not taken at this path is left to the router."""
        if req.method not in _KNOWN:
            raise falcon.HTTPNotImplemented
