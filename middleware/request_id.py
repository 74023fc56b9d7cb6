"""Request id: every request has one, and every response repeats it."""

import random
import re

import falcon

_GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestId:
    """Falcon middleware that takes the client's X-Request-ID, or makes one where it sent none that can be used."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Set `req.context.request_id`, 1 to 64 characters, and the response's header."""
        given = req.get_header("X-Request-ID") or ""
        req.context.request_id = given if _GIVEN.fullmatch(given) else f"{random.getrandbits(128):032x}"
        resp.set_header("X-Request-ID", req.context.request_id)
