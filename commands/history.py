"""The command history: who changed what of a build."""

from argparse import ArgumentParser, Namespace
from typing import Any

from build_admin.commands import service
from build_admin.commands.output import add_limit, add_output, print_json, print_list
from build_admin.commands.text import differences, printable
from build_admin.commands.times import ago
from build_admin.settings import Settings


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = "Show who changed what of a build, the newest first."
    parser.epilog = "example:\n  build-admin history octocat/hello-world/12"
    service.add_build(parser)
    service.add_revision(parser, "this revision alone; -o json has the build as it was before, too")
    add_limit(parser)
    add_output(parser)


def run(settings: Settings, options: Namespace) -> None:
    """Show a build's revisions, or one of them. Raises CommandError."""
    client = service.connect(settings)
    path = f"/builds/{service.identify(client, options.build)}/revisions"
    if options.revision is None:
        print_list(client, options, path, _shown, "It has never been changed here.")
        return
    revision = client.get(f"{path}/{options.revision}").json
    if options.output == "json":
        print_json(revision)
    else:
        print(_shown([revision]))


def _shown(revisions: list[dict[str, Any]]) -> str:
    return "\n".join(line for revision in revisions for line in _lines(revision))


def _lines(revision: dict[str, Any]) -> list[str]:
    # What changes a build's id is its creation, of which every field would be shown.
    created = "id" in revision["changes"]
    repair = f", in repair {revision['repair']}" if revision.get("repair") else ""
    what = "created" if created else "changed"
    head = f"revision {revision['revision']}: {what} {ago(revision['at'])} by {printable(revision['by'])}{repair}"
    return [head] if created else [head, differences(revision["changes"])]
