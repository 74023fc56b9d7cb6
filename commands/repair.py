"""The command repair: changes all the builds that are stuck, or those named, at once."""

import time
from argparse import ArgumentParser, Namespace
from typing import Any

from build_admin.commands.changing import add_changing, change_many
from build_admin.commands.http_client import REPAIRS
from build_admin.commands.service import connect, number
from build_admin.commands.stuck import add_filters
from build_admin.commands.values import add_values, values
from build_admin.settings import Settings

#: Age in seconds from which a build is stuck if --older is not given; the service's default for `stuck` is the same.
_DAY = 24 * 3600


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = (
        "Change the builds that `stuck` lists with the same options, or those named with --id, all or none: show what "
        "changes, ask, and do exactly that. Builds that a worker still runs are left out."
    )
    parser.epilog = "build-admin repair --host worker-3 status=error error='worker-3 died' finished=now --reason OPS-17"
    add_filters(parser)
    parser.add_argument("--id", metavar="ID,...", type=_ids, help="these builds, stuck or not; with --older, if stuck")
    parser.add_argument("--reason", required=True, help="why; it is kept with the repair")
    add_values(parser)
    add_changing(parser)


def _ids(text: str) -> list[int]:
    return [number(part) for part in text.split(",")]


def run(settings: Settings, options: Namespace) -> None:
    """Repair builds. Raises CommandError."""
    client = connect(settings)
    where: dict[str, Any] = {"host": options.host, "repo": options.repo, "ids": options.id}
    if options.older or not options.id:
        where["stuck_before"] = int(time.time()) - (options.older or _DAY)
    asked = {
        "where": {name: value for name, value in where.items() if value is not None},
        "set": values(client, options.values),
        "reason": options.reason,
    }
    change_many(client, options, REPAIRS, asked)
