"""X-Unreadable: the header that names the fields of a response that cannot be shown exactly as they are stored."""

from collections.abc import Iterable, Mapping
from typing import Any

import falcon

from build_admin.models.build import unreadable

#: The header: a list (RFC 9110, section 5.6.1) of the fields of one build, or of `id.field` where there are several.
HEADER = "X-Unreadable"

#: The most fields that are named; if there are more, the last item is `...`.
MOST = 100


def name_fields(resp: falcon.Response, build: Mapping[str, Any]) -> None:
    """Name the unreadable fields of the build that is answered: `title, deploy_payload`."""
    name(resp, unreadable(build))


def name_builds(resp: falcon.Response, builds: Iterable[Mapping[str, Any]]) -> None:
    """Name the unreadable fields of the builds that are answered: `7.title, 7.deploy_payload, 9.event`."""
    name(resp, [f"{build['id']}.{name}" for build in builds for name in unreadable(build)])


def name(resp: falcon.Response, names: list[str]) -> None:
    """Set the header to `names`, unless there are none."""
    if names:
        resp.set_header(HEADER, ", ".join(names[:MOST] + ["..."] * (len(names) > MOST)))
