"""Request id: every request has one, which its response repeats."""

import random
import re

import falcon

_GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")


def of(given: str | None) -> str:
    """Return the id of a request with the X-Request-ID `given`: that one if it is valid, else a new one."""
    if given and _GIVEN.fullmatch(given):
        return given
    return f"{random.getrandbits(128):032x}"


class RequestId:
    """Falcon middleware that takes the client's X-Request-ID, or makes a new id if it is missing or invalid."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Set `req.context.request_id`, 1 to 64 characters, and the response's header."""
        req.context.request_id = of(req.get_header("X-Request-ID"))
        resp.set_header("X-Request-ID", req.context.request_id)
