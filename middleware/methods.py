"""Methods: one that HTTP does not know is refused as such, which Falcon itself takes for a bad request."""

import falcon

_KNOWN = frozenset(falcon.COMBINED_METHODS)


class Methods:
    """Falcon middleware that answers a method that nothing here could ever take (RFC 9110, section 15.6.2)."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Raise HTTPNotImplemented for such a method; one that is only not taken at this path is left to the router."""
        if req.method not in _KNOWN:
            raise falcon.HTTPNotImplemented
