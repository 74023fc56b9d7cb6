"""Values that users type: numbers, durations, and FIELD=VALUE, which is converted to the type of the field."""

import json
import re
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from collections.abc import Sequence
from typing import Any

from build_admin.commands.errors import USAGE, CommandError
from build_admin.commands.http_client import Client
from build_admin.commands.text import TIMES

#: Seconds in each unit of a duration.
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def number(text: str) -> int:
    """Return a positive integer from its decimal digits. Raises ArgumentTypeError."""
    if not re.fullmatch(r"[1-9][0-9]{0,18}", text):
        raise ArgumentTypeError(f"must be a number, not {text!r}")
    return int(text)


def seconds(text: str) -> int:
    """Return the seconds of a duration such as `90s`, `15m`, `8h` or `30d`. Raises ArgumentTypeError."""
    match = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text)
    if match is None:
        raise ArgumentTypeError(f"must be a number and a unit, such as 90s, 15m, 8h or 30d, not {text!r}")
    return int(match[1]) * _UNITS[match[2]]


def add_values(parser: ArgumentParser) -> None:
    """Add the arguments FIELD=VALUE."""
    about = "a field and its new value; a time is in Unix seconds or `now`, and an empty value clears the field"
    parser.add_argument("values", metavar="FIELD=VALUE", type=_split, nargs="+", help=about)


def _split(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise ArgumentTypeError(f"must be a field and its value, such as status=error, not {text!r}")
    return name, value


def values(client: Client, typed: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return the values by field: strings unchanged, and JSON where the service's OpenAPI document has another type.

    A value that is not JSON is returned as a string, for the service to refuse. Raises CommandError; for a field that
    is named twice, too.
    """
    if repeated := [name for name, times in Counter(name for name, _ in typed).items() if times > 1]:
        raise CommandError(f"{repeated[0]} is given more than once; give it once.", USAGE)
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
