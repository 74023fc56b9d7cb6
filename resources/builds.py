"""The builds routes: what is stored under /api/v1/admin/builds, read."""

import falcon

from models.build import canonical, etag
from models.builds import Builds
from resources.identifier import identifier
from resources.preconditions import Preconditions
from resources.query import parameters
from schemas.parameters import Parameters


class BuildsResource:
    """The builds that are stored."""

    def __init__(self, builds: Builds) -> None:
        self._builds = builds
        self._none = Parameters()

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, build_id: str) -> None:
        """Answer with a build and its tag, or with 304 if the client has it already (RFC 9110, section 13.1.2)."""
        parameters(self._none, req)
        preconditions = Preconditions.of(req)
        text = canonical(self._builds.find(identifier(build_id)))
        tag = etag(text)
        preconditions.check_match(tag)
        resp.etag = tag
        if preconditions.rules_out(tag):
            resp.status = falcon.HTTP_NOT_MODIFIED
        else:
            resp.data = text

    on_head_one = on_get_one
