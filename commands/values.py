"""FIELD=VALUE arguments, and their conversion to the types of the fields."""

import json
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable
from typing import Any

from build_admin.commands.http_client import Client
from build_admin.commands.times import TIMES


def add_values(parser: ArgumentParser) -> None:
    """Add the arguments FIELD=VALUE."""
    about = "a field and its new value; a time is in Unix seconds or `now`, and an empty value clears the field"
    parser.add_argument("values", metavar="FIELD=VALUE", type=_split, nargs="+", help=about)


def _split(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise ArgumentTypeError(f"must be a field and its value, such as status=error, not {text!r}")
    return name, value


def values(client: Client, typed: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the values by field: strings unchanged, and JSON where the service's OpenAPI document has another type.

    A value that is not JSON is returned as a string, for the service to refuse. Raises CommandError.
    """
    fields = client.get("/openapi.json").json["components"]["schemas"]["Build"]["properties"]
    return {name: _value(name, fields.get(name, {}).get("type", "string"), text) for name, text in typed}


def _value(name: str, kind: str, text: str) -> Any:
    if kind == "string":
        return text
    if name in TIMES and text == "now":
        return int(time.time())
    try:
        return json.loads(text or "null")
    except (ValueError, RecursionError):
        return text
