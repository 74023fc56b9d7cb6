"""Progress of a long command on stderr, and lines printed beside it."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Characters of a bar, and of the line that it is in.
_BAR = 30
_LINE = 60


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show the progress of `what` in a bar on a terminal; elsewhere in a line every ten seconds, for a short log.

    The function that it yields is called with how much is done, and of how much, in any unit; a total of 0 is unknown.
    The bar moves the cursor with a carriage return only, since old Windows consoles print other control sequences
    literally.
    """
    on_terminal = sys.stderr.isatty()
    interval = 0.1 if on_terminal else 10.0
    told = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told < interval:
            return
        told = now
        share = min(done / total, 1.0) if total else 0.0
        far = f"{share:.0%}" if total else f"{done:,}"
        if on_terminal:
            bar = f"[{'#' * int(share * _BAR):{_BAR}}] " if total else ""
            _draw(f"{what} {bar}{far}")
        else:
            print(f"{what}: {far}", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        if on_terminal:
            _draw("")


def _draw(text: str) -> None:
    print(f"{text:{_LINE}}\r", end="", file=sys.stderr, flush=True)


def tell(line: str) -> None:
    """Print a line on stderr, over the bar if there is one."""
    print(f"{line:{_LINE}}" if sys.stderr.isatty() else line, file=sys.stderr)
