"""The route /openapi.json: the requests and responses of this service, in OpenAPI 3.1."""

from importlib import resources

import falcon

#: In this package; `make openapi` makes it from the routes and schemas.
FILE = "openapi.json"


class OpenapiResource:
    """The description of the service."""

    def __init__(self) -> None:
        self._text = resources.files(__package__).joinpath(FILE).read_bytes()

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer with the document."""
        resp.data = self._text

    on_head = on_get
