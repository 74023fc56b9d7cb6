"""The command history: who changed what of a build."""

from argparse import ArgumentParser, Namespace
from typing import Any

from build_admin.commands.builds import add_build, path_of
from build_admin.commands.output import add_output, print_json, print_list
from build_admin.commands.service import connect
from build_admin.commands.text import ago, differences, printable
from build_admin.commands.values import number
from build_admin.settings import Settings


def add_history(parser: ArgumentParser) -> None:
    """Add the arguments of the command history."""
    parser.epilog = "build-admin history octocat/hello-world/12"
    add_build(parser)
    parser.add_argument(
        "revision", metavar="REVISION", type=number, nargs="?",
        help="this one alone; -o json has the build as it was before, too",
    )  # fmt: skip
    add_output(parser)


def run_history(settings: Settings, options: Namespace) -> None:
    """Show who changed what of a build, the newest first. Raises CommandError."""
    client = connect(settings)
    path = f"{path_of(client, options.build)}/revisions"
    if options.revision is None:
        print_list(client, options, path, _shown, "It has never been changed here.")
        return
    revision = client.get(f"{path}/{options.revision}").json
    if options.output == "json":
        print_json(revision)
    else:
        print(_shown([revision]))


def _shown(revisions: list[dict[str, Any]]) -> str:
    lines = []
    for revision in revisions:
        changes, repair = revision["changes"], revision.get("repair")
        # Only a creation changes the id. It changes every field, so they are not listed.
        created = "id" in changes
        head = f"revision {revision['revision']}: {'created' if created else 'changed'} {ago(revision['at'])}"
        lines.append(f"{head} by {printable(revision['by'])}" + (f", in repair {repair}" if repair else ""))
        if not created:
            lines.append(differences(changes))
    return "\n".join(lines)
