"""Methods: an unknown method is answered with 501; Falcon itself answers 400."""

from typing import Any

import falcon

_KNOWN = frozenset(falcon.COMBINED_METHODS)


class Request(falcon.Request):
    """A request, for which the method `WEBSOCKET` is an unknown method like any other.

    Falcon reserves that name, and raises for it before any middleware has checked the token or set a request id.
    """

    __slots__ = ()

    def __init__(self, env: dict[str, Any], options: falcon.RequestOptions | None = None) -> None:
        super().__init__(env, options)
        if self.method == "WEBSOCKET":
            self.method = "websocket"


class Methods:
    """Falcon middleware that refuses methods which no resource can have (RFC 9110, section 15.6.2)."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Raise HTTPNotImplemented for such a method; the router answers 405 for one that this path lacks."""
        if req.method not in _KNOWN:
            raise falcon.HTTPNotImplemented
