"""Times: how a person types a duration, and reads a time."""

import argparse
import re
import time

#: The fields of a build that are times, in Unix seconds.
TIMES = frozenset({"enqueued", "created", "started", "finished", "approved_at"})

#: Seconds in each unit of a duration.
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

#: Seconds from which on a unit is used, and how many seconds it has.
_WORDS = ((2 * 365 * 86_400, 365 * 86_400, "years"), (2 * 86_400, 86_400, "days"), (7200, 3600, "hours"),
          (120, 60, "minutes"), (2, 1, "seconds"))  # fmt: skip


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
    for least, unit, word in _WORDS:
        if abs(distance) >= least:
            return f"{distance // unit} {word} ago" if distance > 0 else f"in {-distance // unit} {word}"
    return "just now"


def exact(at: int) -> str:
    """Return a time in Unix seconds as a date, or nothing where no calendar has it."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
    except (ValueError, OverflowError, OSError):
        return ""
