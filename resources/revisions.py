"""The revisions routes: who changed what of a build. A revision is read and never changed."""

import falcon

from build_admin.models.revisions import Revisions
from build_admin.resources import layout, paging, unreadable
from build_admin.resources.identifier import identifier
from build_admin.resources.query import parameters, sent
from build_admin.schemas.parameters import PageParameters, Parameters


class RevisionsResource:
    """The revisions of a build."""

    def __init__(self, revisions: Revisions) -> None:
        self._revisions = revisions
        self._none = Parameters()
        self._list = PageParameters()

    def on_get(self, req: falcon.Request, resp: falcon.Response, build_id: str) -> None:
        """Answer with a page of a build's revisions, newest first."""
        given = parameters(self._list, req)
        page = self._revisions.page(identifier(build_id), given["page"], given["per_page"])
        paging.set_page(resp, req.path, sent(req), given["page"], given["per_page"], page.total)
        resp.data = paging.array(map(layout.text, page.items))

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, build_id: str, revision: str) -> None:
        """Answer with a revision, and with the build as it was before it."""
        parameters(self._none, req)
        found = self._revisions.find(identifier(build_id), identifier(revision))
        unreadable.name_fields(resp, found["before"] or {})
        resp.data = layout.text(found)

    on_head = on_get
    on_head_one = on_get_one
