"""Times: durations on the command line, and ages in the output."""

import argparse
import re
import time

#: The fields of a build that are times, in Unix seconds.
TIMES = frozenset({"enqueued", "created", "started", "finished", "approved_at"})

#: Seconds in each unit of a duration.
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

#: The units of an age, and their seconds. An age is given in the first unit of which it has two or more.
_WORDS = (("years", 365 * 86_400), ("days", 86_400), ("hours", 3600), ("minutes", 60), ("seconds", 1))


def seconds(text: str) -> int:
    """Return the seconds of a duration such as `90s`, `15m`, `8h` or `30d`. Raises ArgumentTypeError."""
    match = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"must be a number and a unit, such as 90s, 15m, 8h or 30d, not {text!r}")
    return int(match[1]) * _UNITS[match[2]]


def ago(at: int) -> str:
    """Return how long ago a time in Unix seconds was, in words: `3 days ago`, `never` for 0."""
    if not at:
        return "never"
    distance = int(time.time()) - at
    for word, unit in _WORDS:
        if abs(distance) >= 2 * unit:
            return f"{distance // unit} {word} ago" if distance > 0 else f"in {-distance // unit} {word}"
    return "just now"
