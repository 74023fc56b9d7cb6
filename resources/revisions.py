"""The revisions routes: who changed what of a build. A revision is read and never changed."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import falcon

from build_admin.models.revisions import Revisions
from build_admin.resources import paging
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
        resp.data = paging.array(map(_text, page.items))

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, build_id: str, revision: str) -> None:
        """Answer with a revision, and with the build as it was before it."""
        parameters(self._none, req)
        resp.data = _text(self._revisions.find(identifier(build_id), identifier(revision)))

    on_head = on_get
    on_head_one = on_get_one


def _text(revision: Mapping[str, Any]) -> bytes:
    """Return a revision's JSON, a field a line, and so are the objects in it: `before` can be cut out as it is."""
    return f"{_object((name, _value(value)) for name, value in revision.items())}\n".encode()


def _value(value: Any) -> str:
    return _object((name, _json(item)) for name, item in value.items()) if isinstance(value, dict) else _json(value)


def _object(fields: Iterable[tuple[str, str]]) -> str:
    return "{\n" + ",\n".join(f'"{name}": {text}' for name, text in fields) + "\n}"


_json = json.JSONEncoder(ensure_ascii=False).encode
