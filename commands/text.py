"""Text that the client commands print. Builds hold untrusted text, and a terminal interprets control characters."""

import json
import os
import shutil
import sys
import time
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: The fields of a build that are times, in Unix seconds.
TIMES = frozenset({"enqueued", "created", "started", "finished", "approved_at"})

#: The units of an age, and their seconds. An age is given in the first unit of which it has two or more.
_WORDS = (("years", 365 * 86_400), ("days", 86_400), ("hours", 3600), ("minutes", 60), ("seconds", 1))

_RED, _GREEN = "31", "32"


def printable(text: Any) -> str:
    r"""Return `text` on one line, with an escape such as `\x1b` for what a terminal would interpret or not show.

    These are the characters that `str.isprintable` excludes: control characters, changes of the writing direction,
    zero-width characters, spaces other than U+0020, surrogates and unassigned code points.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def exactly(field: str, value: Any) -> str:
    """Return a field's value as printable JSON, a time with its age too; different values have different texts."""
    if value is None:
        return "none"
    return printable(json.dumps(value, ensure_ascii=False)) + (f" ({ago(value)})" if field in TIMES and value else "")


def ago(at: int) -> str:
    """Return how long ago a time in Unix seconds was, in words: `3 days ago`, `never` for 0."""
    if not at:
        return "never"
    distance = int(time.time()) - at
    for word, unit in _WORDS:
        if abs(distance) >= 2 * unit:
            return f"{distance // unit} {word} ago" if distance > 0 else f"in {-distance // unit} {word}"
    return "just now"


def differences(changes: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a revision's `changes` with a line for each old and each new value, coloured on a terminal."""
    return "\n".join(
        _coloured(f"{sign} {printable(field)}: {exactly(field, value)}", code)
        for field, change in changes.items()
        for sign, value, code in (("-", change["from"], _RED), ("+", change["to"], _GREEN))
    )


def _coloured(text: str, code: str) -> str:
    # The old Windows console prints the codes literally; Windows Terminal sets WT_SESSION.
    able = os.name != "nt" or "WT_SESSION" in os.environ
    if able and _at_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        return f"\x1b[{code}m{text}\x1b[0m"
    return text


def _at_terminal() -> bool:
    # Python has None for a stdout that is closed.
    return sys.stdout is not None and sys.stdout.isatty()


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table, as wide as its cells need; on a terminal its widest columns are cut until it fits."""
    cells = [headings, *(list(map(printable, row)) for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    if _at_terminal():
        while sum(widths) + 2 * len(widths) - 2 >= shutil.get_terminal_size().columns and max(widths) > 4:
            widths[widths.index(max(widths))] -= 1
    return "\n".join("  ".join(map(_fitted, row, widths)).rstrip() for row in cells)


def _width(text: str) -> int:
    """Return how many columns a printable text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _fitted(text: str, width: int) -> str:
    if _width(text) > width:
        while _width(text) > width - 3:
            text = text[:-1]
        text += "..."
    return text + " " * (width - _width(text))
