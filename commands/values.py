"""Values: the fields that a command sets, as they are typed and as they are sent."""

import json
import re
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable
from typing import Any

from build_admin.commands.http_client import Client
from build_admin.commands.times import TIMES


def add_values(parser: ArgumentParser) -> None:
    """Let a command take fields and their values."""
    parser.add_argument(
        "values",
        metavar="FIELD=VALUE",
        type=_split,
        nargs="+",
        help="what is set; a time is in Unix seconds or `now`, and nothing after the = clears a field",
    )


def _split(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise ArgumentTypeError(f"must be a field and its value, such as status=error, not {text!r}")
    return name, value


def values(client: Client, typed: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return what is typed as JSON values, of the types that the service's description gives its fields.

    What is not of a field's type, or of no field, is a string, for the service to refuse. Raises CommandError.
    """
    fields = client.description()["components"]["schemas"]["Build"]["properties"]
    return {name: _value(name, fields.get(name, {}).get("type", "string"), text) for name, text in typed}


def _value(name: str, kind: str, text: str) -> Any:
    if kind == "string":
        return text
    if not text:
        return None
    if kind == "integer":
        if name in TIMES and text == "now":
            return int(time.time())
        return int(text) if re.fullmatch(r"-?[0-9]{1,30}", text) else text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
