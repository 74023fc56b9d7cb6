"""The route of stuck builds, with the evidence for each."""

import time

import falcon

from build_admin.models.build import canonical, etag
from build_admin.models.filters import Filters
from build_admin.models.stuck import Stuck, StuckBuild
from build_admin.resources import layout, paging, unreadable
from build_admin.resources.request import parameters
from build_admin.schemas.parameters import StuckParameters

#: Seconds after which a build counts as stuck if `before` is not given.
STUCK_AGE = 24 * 3600


class StuckResource:
    """The builds that have been pending or running for too long."""

    def __init__(self, stuck: Stuck) -> None:
        self._stuck = stuck

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer with a page of the stuck builds that pass the filters, longest stuck first."""
        filters = {"before": int(time.time()) - STUCK_AGE, **parameters(StuckParameters, req)}
        number, per_page, before = filters.pop("page"), filters.pop("per_page"), filters.pop("before")
        page = self._stuck.page(Filters(**filters, stuck_before=before), number, per_page)
        paging.set_page(resp, req, number, per_page, page.total)
        unreadable.name_builds(resp, [stuck.build for stuck in page.items])
        resp.data = paging.array(map(_text, page.items))

    on_head = on_get


def _text(stuck: StuckBuild) -> bytes:
    return layout.text(
        {
            "build": stuck.build,
            "etag": etag(canonical(stuck.build), stuck.build),
            "since": stuck.since,
            "evidence": stuck.evidence,
            "alive": stuck.alive,
        }
    )
