"""Changing builds: a change is shown, confirmed, and made only if the builds are still as they were shown."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from typing import Any

from build_admin.commands.builds import Stored
from build_admin.commands.errors import CHANGED, USAGE, CommandError
from build_admin.commands.http_client import Answer, Client, Refusal
from build_admin.commands.text import differences, exactly, printable, table

#: Builds of a repair that are shown before the user is asked to confirm it.
_SHOWN = 20


def add_changing(parser: ArgumentParser) -> None:
    """Add the options --dry-run and --yes."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--dry-run", action="store_true", help="show what would be changed, and change nothing")
    group.add_argument("--yes", action="store_true", help="do not ask; without a terminal nothing is changed otherwise")


def require_consent(options: Namespace) -> None:
    """Raise CommandError if the user can neither be asked nor has chosen --yes or --dry-run."""
    if not options.dry_run and not options.yes and not (sys.stdin and sys.stdin.isatty()):
        raise CommandError("Nothing was changed: there is no terminal to ask at. Add --yes, or --dry-run.", USAGE)


def agreed(options: Namespace, what: str) -> bool:
    """Return whether to make a change, False for a dry run; ask the user if necessary.

    Raises CommandError if the user does not answer yes.
    """
    require_consent(options)
    if options.dry_run or options.yes:
        return bool(options.yes)
    print(f"Change {what}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was changed.")
    return True


def change(
    client: Client, options: Namespace, stored: Stored, send: Callable[..., Answer], mine: Mapping[str, Any]
) -> None:
    """Show what a request changes in a build, ask, and make it.

    `send` makes the request with the build's tag, and with `dry_run=True` returns the build that would result. `mine`
    is the build that the user wants; after a conflict its differences from the stored one are shown.

    Raises CommandError, with the status CHANGED if another client has changed the build since it was read.
    """
    try:
        changes = _compared(stored.build, send(dry_run=True).json)
        print(f"{stored.name} at {client.url}")
        if not changes:
            print("There is nothing to change.")
            return
        print(differences(changes), flush=True)
        if agreed(options, f"{_counted(len(changes), 'field')} of {stored.name} at {client.url}"):
            send()
            print(f"Changed. To undo this: build-admin undo {stored.build['id']}")
    except Refusal as refusal:
        if refusal.code == 412:
            _tell_conflict(client, stored, mine)
        raise


def change_many(client: Client, options: Namespace, path: str, asked: Any) -> None:
    """Show which builds a POST of `asked` to `path`, a repair or its undo, changes, ask, and make it.

    Raises CommandError, with the status CHANGED if one of the builds has changed since it was shown.
    """
    headers, plan = client.send("POST", path, asked, dry_run=True)
    others = (("unchanged", "already have these values"), ("alive", "alive and left out"))
    counts = "".join(f", {plan[name]} {words}" for name, words in others if plan[name])
    print(f"{_counted(plan['selected'], 'build')} at {client.url}: {plan['changed']} to change{counts}")
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
    builds = _counted(plan["changed"], "build")
    if agreed(options, f"{builds} at {client.url}"):
        number = client.send("POST", path, asked, tag=headers.get("ETag", "")).json["repair"]
        print(f"Repair {number}: changed {builds}. To undo this: build-admin undo-repair {number} --reason '...'")


def _cell(field: str, change: Mapping[str, Any] | None) -> str:
    return f"{exactly(field, change['from'])} -> {exactly(field, change['to'])}" if change else ""


def _tell_conflict(client: Client, stored: Stored, mine: Mapping[str, Any]) -> None:
    """If the build has changed since it was read, show its differences from `mine` and raise CommandError."""
    now = client.get(stored.path).json
    if now == stored.build:
        return
    newest = client.get(f"{stored.path}/revisions", per_page=1).json
    who = "".join(f" by {printable(one['by'])} in revision {one['revision']}" for one in newest)
    print(f"- is what you have, + what {stored.name} is now:\n{differences(_compared(mine, now))}", flush=True)
    raise CommandError(f"{stored.name} has been changed since it was read{who}; nothing of yours was stored.", CHANGED)


def _compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the differences between two builds, as in a revision's `changes`."""
    pairs = {name: {"from": before.get(name), "to": after.get(name)} for name in {**before, **after}}
    return {name: change for name, change in pairs.items() if change["from"] != change["to"]}


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
