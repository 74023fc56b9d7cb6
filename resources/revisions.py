"""The routes of revisions, which tell who changed what in a build, and of their undo. No route changes a revision."""

from functools import partial

import falcon

from build_admin.models.build import canonical, etag
from build_admin.models.revisions import Revisions
from build_admin.resources import layout, paging, unreadable
from build_admin.resources.preconditions import Preconditions
from build_admin.resources.request import author, identifier, parameters
from build_admin.schemas.parameters import OverwriteParameters, Parameters


class RevisionsResource:
    """The revisions of a build."""

    def __init__(self, revisions: Revisions) -> None:
        self._revisions = revisions

    def on_get(self, req: falcon.Request, resp: falcon.Response, build_id: str) -> None:
        """Answer with a page of a build's revisions, newest first."""
        paging.answer(req, resp, partial(self._revisions.page, identifier(build_id)))

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, build_id: str, revision: str) -> None:
        """Answer with a revision, and with the build as it was before it."""
        parameters(Parameters, req)
        found = self._revisions.find(identifier(build_id), identifier(revision))
        unreadable.name_fields(resp, found["before"] or {})
        resp.data = layout.text(found)

    def on_post_undo(self, req: falcon.Request, resp: falcon.Response, build_id: str, revision: str) -> None:
        """Put back the build as it was before a revision; answer as an overwrite is answered."""
        dry_run = parameters(OverwriteParameters, req)["dry_run"]
        preconditions = Preconditions.of(req)
        if preconditions.if_match is None:
            raise falcon.HTTPPreconditionRequired(description="Read the build, and send its ETag in 'If-Match'.")
        if req.bounded_stream.read().strip() not in (b"", b"{}"):
            raise falcon.HTTPBadRequest(description="An undo has no body; send the request without one.")
        req.context.overwritten = overwritten = self._revisions.undo(
            identifier(build_id),
            identifier(revision),
            author(req),
            preconditions.check,
            dry_run=dry_run,
        )
        resp.data = canonical(overwritten.build)
        resp.etag = etag(resp.data, overwritten.build)
        unreadable.name_fields(resp, overwritten.build)

    on_head = on_get
    on_head_one = on_get_one
