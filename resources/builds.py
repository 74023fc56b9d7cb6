"""The builds routes: what is stored under /api/v1/admin/builds, read."""

import time
from typing import Any

import falcon

from build_admin.models.build import canonical, etag
from build_admin.models.builds import Builds
from build_admin.models.filters import Filters
from build_admin.models.listing import Listing
from build_admin.resources import paging, unreadable
from build_admin.resources.identifier import identifier
from build_admin.resources.preconditions import Preconditions
from build_admin.resources.query import parameters, sent
from build_admin.schemas.parameters import ListParameters, Parameters, QueueParameters

#: Builds that the queue shows at the most. A site has that many after a bad day; more would take its memory too.
MAX_QUEUE = 1000

#: Seconds that the queue looks back if the client does not say.
QUEUE_AGE = 24 * 3600

_QUEUED = ("pending", "running")


class BuildsResource:
    """The builds that are stored."""

    def __init__(self, builds: Builds, listing: Listing) -> None:
        self._builds = builds
        self._listing = listing
        self._none = Parameters()
        self._list = ListParameters()
        self._queue = QueueParameters()

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer with a page of the builds that pass the filters, newest id first."""
        filters: dict[str, Any] = dict(parameters(self._list, req))
        number, per_page = filters.pop("page"), filters.pop("per_page")
        page = self._listing.page(Filters(**filters), number, per_page)
        paging.set_page(resp, req.path, sent(req), number, per_page, page.total)
        unreadable.name_builds(resp, page.items)
        resp.data = paging.array(map(canonical, page.items))

    def on_get_queue(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer with the newest of the pending and running builds; where there are more, a link leads to them."""
        after = parameters(self._queue, req).get("after", int(time.time()) - QUEUE_AGE)
        page = self._listing.page(Filters(status=_QUEUED, after=after), 1, MAX_QUEUE)
        if page.total > MAX_QUEUE:
            rest = {"status": ",".join(_QUEUED), "after": str(after), "page": "11", "per_page": str(MAX_QUEUE // 10)}
            resp.set_header("Link", paging.link(req.path.removesuffix("/queue") + paging.query(rest), "next"))
        resp.set_header("X-Total-Count", str(page.total))
        unreadable.name_builds(resp, page.items)
        resp.data = paging.array(map(canonical, page.items))

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, build_id: str) -> None:
        """Answer with a build and its tag, or with 304 if the client has it already (RFC 9110, section 13.1.2)."""
        parameters(self._none, req)
        preconditions = Preconditions.of(req)
        build = self._builds.find(identifier(build_id))
        text = canonical(build)
        tag = etag(text, build)
        preconditions.check_match(tag)
        resp.etag = tag
        if preconditions.rules_out(tag):
            resp.status = falcon.HTTP_NOT_MODIFIED
        else:
            unreadable.name_fields(resp, build)
            resp.data = text

    on_head = on_get
    on_head_queue = on_get_queue
    on_head_one = on_get_one
