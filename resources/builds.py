"""The routes under /api/v1/admin/builds that read builds."""

import time
from functools import partial
from typing import Any

import falcon

from build_admin.models.build import canonical, etag
from build_admin.models.builds import Builds
from build_admin.models.filters import Filters
from build_admin.models.listing import Listing
from build_admin.models.repos import Repos
from build_admin.resources import paging, unreadable
from build_admin.resources.preconditions import Preconditions
from build_admin.resources.request import identifier, parameters
from build_admin.schemas.parameters import MAX_PER_PAGE, PER_PAGE, ListParameters, Parameters, QueueParameters

#: The most builds in one answer of the queue; it bounds the memory of a request without paging.
MAX_QUEUE = 1000

#: Seconds before now from which the queue lists builds if `after` is not given.
QUEUE_AGE = 24 * 3600

_QUEUED = ("pending", "running")


class BuildsResource:
    """The builds that are stored."""

    def __init__(self, builds: Builds, listing: Listing) -> None:
        self._builds = builds
        self._listing = listing
        self._repos = Repos(builds.database)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer with a page of the builds that pass the filters, newest id first."""
        filters: dict[str, Any] = dict(parameters(ListParameters, req))
        number, per_page = filters.pop("page"), filters.pop("per_page")
        page = self._listing.page(Filters(**filters), number, per_page)
        paging.set_page(resp, req, number, per_page, page.total)
        unreadable.name_builds(resp, page.items)
        resp.data = paging.array(map(canonical, page.items))

    def on_get_queue(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer with the newest of the pending and running builds; where there are more, a link leads to them."""
        given = parameters(QueueParameters, req)
        after = given.get("after", int(time.time()) - QUEUE_AGE)
        paged = "page" in given or "per_page" in given
        number, per_page = (given.get("page", 1), given.get("per_page", PER_PAGE)) if paged else (1, MAX_QUEUE)
        page = self._listing.page(Filters(status=_QUEUED, after=after), number, per_page)
        if paged:
            # `after` is in the links, so that they lead to the same list however late they are followed.
            paging.set_page(resp, req, number, per_page, page.total, after=str(after))
        elif page.total is None or page.total > MAX_QUEUE:
            rest = {"after": str(after), "page": str(MAX_QUEUE // MAX_PER_PAGE + 1), "per_page": str(MAX_PER_PAGE)}
            resp.set_header("Link", paging.link(req, req.path, rest, "next"))
        if page.total is not None:
            resp.set_header("X-Total-Count", str(page.total))
        unreadable.name_builds(resp, page.items)
        resp.data = paging.array(map(canonical, self._named(page.items)))

    def _named(self, builds: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the builds, each with its repository's `full_name` where that is known."""
        names = self._builds.database.read(partial(self._repos.names, {build["repo_id"] for build in builds}))
        named = ((build, names.get(build["repo_id"])) for build in builds)
        return [build | {"full_name": name} if name else build for build, name in named]

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, build_id: str) -> None:
        """Answer with a build and its tag, or with 304 if the client has it already (RFC 9110, section 13.1.2)."""
        parameters(Parameters, req)
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
