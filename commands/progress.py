"""Progress of a long command on stderr, and lines printed beside it."""

import sys
import time
from types import TracebackType

#: Characters of a bar, and of the line that it is in.
_BAR = 30
_LINE = 60


class Progress:
    """A progress bar on a terminal; elsewhere a line every ten seconds, so that a log stays short.

    It is used in a `with` block, whose end clears the bar. It moves the cursor with a carriage return only, since old
    Windows consoles print other control sequences literally.
    """

    def __init__(self, what: str) -> None:
        """Show the progress of `what`, a word or a few."""
        self._what = what
        self._terminal = sys.stderr.isatty()
        self._interval = 0.1 if self._terminal else 10.0
        self._told = time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def __call__(self, done: int, total: int = 0) -> None:
        """Show that `done` of `total`, in any unit, is done, if the interval has passed; a total of 0 is unknown."""
        now = time.monotonic()
        if now - self._told < self._interval:
            return
        self._told = now
        share = min(done / total, 1.0) if total else 0.0
        far = f"{share:.0%}" if total else f"{done:,}"
        if self._terminal:
            bar = f"[{'#' * int(share * _BAR):{_BAR}}] " if total else ""
            self._draw(f"{self._what} {bar}{far}")
        else:
            print(f"{self._what}: {far}", file=sys.stderr, flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal:
            self._draw("")

    def _draw(self, text: str) -> None:
        print(f"{text:{_LINE}}\r", end="", file=sys.stderr, flush=True)


def tell(line: str) -> None:
    """Print a line on stderr, over the bar if there is one."""
    print(f"{line:{_LINE}}" if sys.stderr.isatty() else line, file=sys.stderr)
