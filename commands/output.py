"""Output: lists as tables, and JSON for scripts."""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any

from build_admin.commands.http_client import Client
from build_admin.commands.values import number

#: Items in a table if --limit is not given.
_SHOWN = 50


def add_output(parser: ArgumentParser, *, limit: bool = True) -> None:
    """Add the option --output, and --limit to a command that prints a list."""
    if limit:
        parser.add_argument("--limit", type=number, metavar="N", help=f"at most so many ({_SHOWN}; all with -o json)")
    parser.add_argument(
        "-o", "--output", choices=["table", "json"], default="table", help="json is for scripts: one object a line"
    )


def print_json(item: Any) -> None:
    """Print JSON on one line of printable ASCII, which every console shows and none interprets as a command."""
    print(json.dumps(item))


def print_list(
    client: Client, options: Namespace, path: str, show: Callable[[list[Any]], str], none: str, **parameters: Any
) -> None:
    """Print the list at `path`, as JSON or as the text that `show` returns for its items; `none` if there are none.

    Raises CommandError.
    """
    if options.output == "json":
        for item in client.list(path, options.limit or 0, **parameters)[1]:
            print_json(item)
        return
    limit = options.limit or _SHOWN
    total, found = client.list(path, limit, **parameters)
    items = list(found)
    print(show(items) if items else none)
    if total is None and len(items) == limit:
        print(f"{len(items)} of many; --limit N shows more", file=sys.stderr)
    elif total is not None and len(items) < total:
        print(f"{len(items)} of {total}; --limit {total} shows all", file=sys.stderr)
