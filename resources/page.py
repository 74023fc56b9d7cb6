"""The page for administrators: GET /, and the files that it links to. They are static and hold no data."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

import falcon

from build_admin.resources.preconditions import Preconditions

#: The media types of the files that are served, by suffix. Other files of the package are not served.
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_HEADERS = {
    # The page shows untrusted text: it runs only its own script files, and connects only to its own service.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "form-action 'none'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # A browser revalidates each file every time, so that it never mixes the files of two versions.
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True)
class _File:
    text: bytes
    tag: str
    media_type: str


class PageResource:
    """The files of `build_admin.page`, read at the start, so that no request's path is looked up on a disk."""

    def __init__(self) -> None:
        self._files = dict(_read(resources.files("build_admin.page")))
        self._index = self._files.pop("index.html")

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer with index.html; redirect a prefix without a slash at its end, since all links are relative."""
        resp.set_headers(_HEADERS)
        if req.root_path and not req.env["PATH_INFO"]:
            raise falcon.HTTPPermanentRedirect(falcon.uri.encode(req.root_path) + "/")
        _answer(req, resp, self._index)

    def on_get_file(self, req: falcon.Request, resp: falcon.Response, name: str, file: str = "") -> None:
        """Answer with a file. Raises HTTPNotFound for one that the page does not have."""
        resp.set_headers(_HEADERS)
        found = self._files.get(f"{name}/{file}" if file else name)
        if found is None:
            raise falcon.HTTPNotFound
        _answer(req, resp, found)

    on_head = on_get
    on_head_file = on_get_file


def _answer(req: falcon.Request, resp: falcon.Response, file: _File) -> None:
    resp.etag = file.tag
    if Preconditions.of(req).rules_out(file.tag):
        resp.status = falcon.HTTP_NOT_MODIFIED
    else:
        resp.content_type = file.media_type
        resp.data = file.text


def _read(folder: Traversable, path: str = "") -> Iterator[tuple[str, _File]]:
    """Yield every file in a folder that can be served, by its path from the page's own folder."""
    for entry in folder.iterdir():
        suffix = PurePosixPath(entry.name).suffix
        if entry.is_dir():
            yield from _read(entry, f"{path}{entry.name}/")
        elif suffix in _TYPES:
            text = entry.read_bytes()
            yield path + entry.name, _File(text, hashlib.sha256(text).hexdigest()[:32], _TYPES[suffix])
