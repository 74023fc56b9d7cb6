"""Repairing: many builds are changed at once, and only if all of them are still as they were shown."""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

from build_admin.commands.changing import add_changing, agreed, counted
from build_admin.commands.http_client import REPAIRS, Client, warn_of_unreadable
from build_admin.commands.output import add_output, print_list
from build_admin.commands.seeing import add_filters
from build_admin.commands.service import connect
from build_admin.commands.text import ago, exactly, printable, table
from build_admin.commands.values import add_values, number, values
from build_admin.settings import Settings

#: Age in seconds from which a build is stuck if --older is not given; the service's default for `stuck` is the same.
_DAY = 24 * 3600

#: Builds that are shown before the user is asked to confirm a repair.
_SHOWN = 20


def add_repair(parser: ArgumentParser) -> None:
    """Add the arguments of the command repair."""
    parser.epilog = "build-admin repair --host worker-3 status=error error='worker-3 died' finished=now --reason OPS-17"
    add_filters(parser)
    parser.add_argument("--id", metavar="ID,...", type=_ids, help="these builds, stuck or not; with --older, if stuck")
    parser.add_argument("--reason", required=True, help="why; it is kept with the repair")
    add_values(parser)
    add_changing(parser)


def _ids(text: str) -> list[int]:
    return [number(part) for part in text.split(",")]


def run_repair(settings: Settings, options: Namespace) -> None:
    """Change the builds that `stuck` lists with the same options, or those named with --id, all or none.

    Show what changes, ask, and do exactly that. Builds that a worker still runs are left out. Raises CommandError.
    """
    client = connect(settings)
    where: dict[str, Any] = {"host": options.host, "repo": options.repo, "ids": options.id}
    if options.older or not options.id:
        where["stuck_before"] = int(time.time()) - (options.older or _DAY)
    asked = {
        "where": {name: value for name, value in where.items() if value is not None},
        "set": values(client, options.values),
        "reason": options.reason,
    }
    _change(client, options, REPAIRS, asked)


def add_undo_repair(parser: ArgumentParser) -> None:
    """Add the arguments of the command undo-repair."""
    parser.epilog = "build-admin undo-repair 7 --reason 'worker-3 was only slow'"
    parser.add_argument("repair", metavar="REPAIR", type=number, help="its number, from `repairs`")
    parser.add_argument("--reason", required=True, help="why; it is kept with the undo, which is a repair too")
    add_changing(parser)


def run_undo_repair(settings: Settings, options: Namespace) -> None:
    """Put back every build of a repair that is still as the repair has left it, and no other. Raises CommandError."""
    _change(connect(settings), options, f"{REPAIRS}/{options.repair}/undo", {"reason": options.reason})


def _change(client: Client, options: Namespace, path: str, asked: Any) -> None:
    """Show which builds a POST of `asked` to `path`, a repair or its undo, changes, ask, and make it.

    Raises CommandError, with the status CHANGED if one of the builds has changed since it was shown.
    """
    headers, plan = answer = client.send("POST", path, asked, dry_run=True)
    warn_of_unreadable(answer)
    others = (("unchanged", "already have these values"), ("alive", "alive and left out"))
    counts = "".join(f", {plan[name]} {words}" for name, words in others if plan[name])
    print(f"{counted(plan['selected'], 'build')} at {client.url}: {plan['changed']} to change{counts}")
    for skipped in plan.get("skipped", ()):
        print(f"build {skipped['id']} is left as it is: {printable(skipped['why'])}")
    if not plan["changed"]:
        print("There is nothing to change.")
        return
    shown = plan["builds"] if options.dry_run else plan["builds"][:_SHOWN]
    fields = list(dict.fromkeys(field for build in shown for field in build["changes"]))
    rows = [[build["id"], *(_cell(field, build["changes"].get(field)) for field in fields)] for build in shown]
    print(table(["ID", *(printable(field).upper() for field in fields)], rows), flush=True)
    if len(shown) < plan["changed"]:
        print(f"... and {plan['changed'] - len(shown)} more; --dry-run shows all", flush=True)
    builds = counted(plan["changed"], "build")
    if agreed(options, f"{builds} at {client.url}"):
        number = client.send("POST", path, asked, tag=headers.get("ETag", "")).json["repair"]
        print(f"Repair {number}: changed {builds}. To undo this: build-admin undo-repair {number} --reason '...'")


def _cell(field: str, change: Mapping[str, Any] | None) -> str:
    return f"{exactly(field, change['from'])} -> {exactly(field, change['to'])}" if change else ""


def add_repairs(parser: ArgumentParser) -> None:
    """Add the arguments of the command repairs."""
    parser.epilog = "build-admin repairs 7"
    parser.add_argument("repair", metavar="REPAIR", type=number, nargs="?", help="the builds of this one")
    add_output(parser)


def run_repairs(settings: Settings, options: Namespace) -> None:
    """List the repairs, the newest first, or the builds of one and whether they have changed since.

    Raises CommandError.
    """
    client = connect(settings)
    if options.repair is None:
        print_list(client, options, REPAIRS, _repairs, f"Nothing was repaired at {client.url} yet.")
        return
    path = f"{REPAIRS}/{options.repair}"
    if options.output == "table":
        repair = client.get(path).json
        print(_repairs([repair]))
        for what in ("where", "set"):
            for name, value in (repair[what] or {}).items():
                print(f"{what} {printable(name)}: {exactly(name, value)}")
    print_list(client, options, f"{path}/builds", _builds, "It changed no build.")


def _repairs(repairs: list[dict[str, Any]]) -> str:
    names = ("repair", "at", "by", "changed", "undoes", "undone_by", "reason")
    rows = [[ago(one[name]) if name == "at" else one[name] or "" for name in names] for one in repairs]
    return table(["REPAIR", "WHEN", "BY", "BUILDS", "UNDOES", "UNDONE BY", "REASON"], rows)


def _builds(builds: list[dict[str, Any]]) -> str:
    rows = [[one["id"], one["revision"], one["state"], one.get("by", "")] for one in builds]
    return table(["ID", "REVISION", "STATE", "BY"], rows)
