"""Request id: every request has one, which its response repeats."""

import falcon

from build_admin import logs


class RequestId:
    """Falcon middleware that takes the client's X-Request-ID, or makes a new id if it is missing or invalid."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Set `req.context.request_id`, 1 to 64 characters, and the response's header."""
        req.context.request_id = logs.request_id(req.get_header("X-Request-ID"))
        resp.set_header("X-Request-ID", req.context.request_id)
