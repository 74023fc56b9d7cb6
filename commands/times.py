"""Times: how a person types a duration."""

import argparse
import re

#: Seconds in each unit of a duration.
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str) -> int:
    """Return the seconds of a duration such as `90s`, `15m`, `8h` or `30d`. Raises ArgumentTypeError."""
    match = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"must be a number and a unit, such as 90s, 15m, 8h or 30d, not {text!r}")
    return int(match[1]) * _UNITS[match[2]]
