"""Output: what a command prints of what it reads, for people or for scripts."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from typing import Any

from build_admin.commands.http_client import Client

#: Items that a table has, unless --limit says otherwise.
_SHOWN = 50


def add_output(parser: ArgumentParser) -> None:
    """Let a command print JSON."""
    parser.add_argument(
        "-o", "--output", choices=["table", "json"], default="table", help="json is for scripts: one object a line"
    )


def add_limit(parser: ArgumentParser) -> None:
    """Let a command show more or less of a list."""
    parser.add_argument(
        "--limit", type=_limit, metavar="N", help=f"at most so many (default: {_SHOWN}; with -o json, all)"
    )


def _limit(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError(f"must be a number of 1 or more, not {text!r}")
    return int(text)


def print_json(item: Any) -> None:
    """Print JSON on one line, all of it ASCII: any console shows it, and none obeys it."""
    print(json.dumps(item))


def print_list(
    client: Client,
    options: Namespace,
    path: str,
    show: Callable[[list[Any]], str],
    none: str,
    **parameters: Any,
) -> None:
    """Print what the service lists.

    Args:
        client: the service.
        options: what `add_output` and `add_limit` have added.
        path: the list's path below the API.
        show: returns the text that shows some items.
        none: the sentence for a list without items.
        parameters: the list's parameters.

    Raises CommandError.

    """
    if options.output == "json":
        for item in client.list(path, options.limit or 0, **parameters)[1]:
            print_json(item)
        return
    total, found = client.list(path, options.limit or _SHOWN, **parameters)
    items = list(found)
    print(show(items) if items else none)
    if len(items) < total:
        print(f"{len(items)} of {total}; --limit {total} shows all", file=sys.stderr)
