"""Paging: a list is answered a page at a time, with links to the others (RFC 8288)."""

from collections.abc import Callable, Iterable
from urllib.parse import quote, urlencode

import falcon

from build_admin.models.listing import Page
from build_admin.resources import layout
from build_admin.resources.request import address, parameters, sent
from build_admin.schemas.parameters import PageParameters


def answer(req: falcon.Request, resp: falcon.Response, read: Callable[[int, int], Page]) -> None:
    """Answer with the page of a list that `read` returns for the number and the size in the query."""
    given = parameters(PageParameters, req)
    page = read(given["page"], given["per_page"])
    set_page(resp, req, given["page"], given["per_page"], page.total)
    resp.data = array(map(layout.text, page.items))


def array(texts: Iterable[bytes]) -> bytes:
    """Return a JSON array of objects from their JSON texts, each of which ends with a line end."""
    # Each join copies the list, which can have 40 MB; `+` would copy it once more.
    items = b",\n".join(text[:-1] for text in texts)
    return b"".join((b"[\n", items, b"\n]\n")) if items else b"[]\n"


def set_page(
    resp: falcon.Response, req: falcon.Request, page: int, per_page: int, total: int | None, **given: str
) -> None:
    """Set X-Total-Count, and Link to the first, previous, next and last page, if they exist.

    If the items are not counted, there is a next page, and the total and the last page are left out.

    The targets are relative references (RFC 8288, section 3.1), a path and a query, so they are valid behind any proxy,
    whatever host and scheme clients see.

    Args:
        resp: the response.
        req: the request; the links keep its parameters.
        page: the page that is answered; it may be beyond the last.
        per_page: items a page.
        total: items on all pages, None if they are not counted.
        given: further parameters for the links.

    """
    last = page + 1 if total is None else max(1, -(-total // per_page))
    pages = {"first": 1, "prev": min(page - 1, last), "next": page + 1, "last": last}
    if total is None:
        del pages["last"]
    links = [
        link(req, req.path, sent(req) | given | {"page": str(number)}, relation)
        for relation, number in pages.items()
        if 1 <= number <= last
    ]
    resp.set_header("Link", ", ".join(links))
    if total is not None:
        resp.set_header("X-Total-Count", str(total))


def link(req: falcon.Request, path: str, given: dict[str, str], relation: str) -> str:
    """Return a link for the header Link. The relation is in quotes, since clients search for `rel="next"`."""
    return f'<{address(req, path)}?{urlencode(given, quote_via=quote, safe=",")}>; rel="{relation}"'
