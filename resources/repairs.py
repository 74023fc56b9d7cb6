"""The routes of repairs, each of which changes many builds exactly as previewed, and of their undo."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import falcon
from marshmallow import Schema, ValidationError

from build_admin.models.builds import Precondition
from build_admin.models.errors import Faulty, PreconditionFailed
from build_admin.models.plan import Order
from build_admin.models.repairs import Done, Repairs
from build_admin.resources import layout, paging, unreadable
from build_admin.resources.preconditions import ANY, Preconditions
from build_admin.resources.preview import Preview, skipped
from build_admin.resources.request import address, author, identifier, parameters, read_body
from build_admin.schemas import document
from build_admin.schemas.build import BuildSchema
from build_admin.schemas.parameters import OverwriteParameters, Parameters
from build_admin.schemas.repair import RepairSchema, UndoSchema


class RepairsResource:
    """The repairs that were made, and new ones."""

    def __init__(self, repairs: Repairs, build: BuildSchema, max_body: int) -> None:
        """Make repairs; `build` checks the fields that they set, and `max_body` is the largest body in bytes."""
        self._repairs = repairs
        self._repair = RepairSchema(build)
        self._undo = UndoSchema()
        self._max_body = max_body

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer with a page of the repairs, newest first."""
        paging.answer(req, resp, self._repairs.page)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Apply the repair that was previewed, or preview one."""
        dry_run = parameters(OverwriteParameters, req)["dry_run"]
        order = Order(**self._load(self._repair, req))
        self._carry_out(partial(self._repairs.repair, order, author(req)), req, resp, dry_run)

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, repair: str) -> None:
        """Answer with a repair."""
        parameters(Parameters, req)
        resp.data = layout.text(self._repairs.find(identifier(repair)))

    def on_get_builds(self, req: falcon.Request, resp: falcon.Response, repair: str) -> None:
        """Answer with a page of a repair's builds, by id, each with whether it has changed since."""
        paging.answer(req, resp, partial(self._repairs.builds, identifier(repair)))

    def on_post_undo(self, req: falcon.Request, resp: falcon.Response, repair: str) -> None:
        """Apply the undo that was previewed, or preview one."""
        dry_run = parameters(OverwriteParameters, req)["dry_run"]
        reason = self._load(self._undo, req)["reason"]
        undo = partial(self._repairs.undo, identifier(repair), reason, author(req))
        self._carry_out(undo, req, resp, dry_run)

    on_head = on_get
    on_head_one = on_get_one
    on_head_builds = on_get_builds

    def _load(self, schema: Schema, req: falcon.Request) -> dict[str, Any]:
        body = read_body(req, self._max_body)
        try:
            asked: dict[str, Any] = schema.load(document.load_object(body, "what is asked for, and the reason"))
        except ValidationError as error:
            raise Faulty("repair", dict(_flat(error.normalized_messages()))) from None
        return asked

    def _carry_out(
        self, repair: Callable[..., Done], req: falcon.Request, resp: falcon.Response, dry_run: bool
    ) -> None:
        preview = Preview()
        req.context.repaired = done = repair(_precondition(req, dry_run), preview.add if dry_run else None)
        if done.repair:
            resp.status = falcon.HTTP_CREATED
            resp.location = address(req, f"/api/v1/admin/repairs/{done.repair['repair']}")
            resp.data = layout.text({**done.repair, **skipped(done.plan)})
        else:
            resp.etag = done.plan.tag
            unreadable.name(resp, done.plan.unreadable)
            preview.answer(resp, done.plan)


def _precondition(req: falcon.Request, dry_run: bool) -> Precondition:
    """Return a check that the repair is the one that was previewed.

    Raises HTTPPreconditionRequired for a repair without the preview's tag (RFC 6585, section 3).
    """
    tags = Preconditions.of(req).if_match
    if tags is None or tags == ANY:
        if not dry_run:
            raise falcon.HTTPPreconditionRequired(
                description="Preview it with '?dry_run=true', and send the ETag of that in 'If-Match'."
            )
        return lambda tag: None

    def check(tag: str | None) -> None:
        if f'"{tag}"' not in tags:
            raise PreconditionFailed(
                "This is not what was previewed: a build of it has changed, come or gone since, or something else is "
                "asked for; nothing was changed, preview it again."
            )

    return check


def _flat(faults: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yield the faults of a nested document with their paths; marshmallow has those of a whole object in `_schema`."""
    for name, found in faults.items():
        here = name if not path else path if name == "_schema" else f"{path}.{name}"
        if isinstance(found, Mapping):
            yield from _flat(found, here)
        else:
            yield here, found
