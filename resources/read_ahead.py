"""Read-ahead: the build that a request asks for, read in one statement with those that the next requests ask for.

A statement costs PostgreSQL a round trip, and that half as much as a bare answer over HTTP. What is read for a request
after it has arrived is as new as what it would have read itself. It is handed to that very request and kept nowhere
else, so nobody is answered with what was overwritten before he asked.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, Protocol

import falcon

from build_admin.models.builds import READ_AT_ONCE, Builds, Found
from build_admin.resources.identifier import identifier

#: Where a server that has more than one request at once puts the one that it calls the application for, an Arrived,
#: into the WSGI environment; and what returns an iterator of those that it has not called it for yet.
ARRIVED, WAITING = "build_admin.arrived", "build_admin.waiting"

_ONE_BUILD = re.compile(r"/api/v1/admin/builds/([^/]+)")


class Arrived(Protocol):
    """A request that has arrived at the server.

    Attributes:
        path: its path, percent-decoded.
        found: gives the build that it asks for, once that was read; None before.

    """

    path: str
    found: Found | None


def find(builds: Builds, env: Mapping[str, Any], build_id: int) -> dict[str, Any]:
    """Return the build that a request with the WSGI environment `env` asks for. Raises as Builds.find does."""
    arrived: Arrived | None = env.get(ARRIVED)
    if arrived and arrived.found:
        return arrived.found()
    others = islice(env[WAITING](), READ_AT_ONCE - 1) if WAITING in env else ()
    waiting = {request: asked for request in others if (asked := _asked_for(request.path))}
    found = builds.find_all({build_id, *waiting.values()})
    for request, asked in waiting.items():
        request.found = found[asked]
    return found[build_id]()


def _asked_for(path: str) -> int | None:
    with suppress(falcon.HTTPNotFound):
        if match := _ONE_BUILD.fullmatch(path):
            return identifier(match[1])
    return None
