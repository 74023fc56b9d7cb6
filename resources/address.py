"""Addresses: paths of this service as clients request them, below a reverse proxy's prefix if there is one."""

from urllib.parse import quote

import falcon


def address(req: falcon.Request, path: str) -> str:
    """Return a path of this service, such as `/api/v1/admin/build`, below WSGI's SCRIPT_NAME (PEP 3333)."""
    return quote(req.root_path.rstrip("/")) + path
