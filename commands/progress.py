"""Progress: how far something long has come, on stderr, and what is to be told meanwhile."""

import sys
import time
from types import TracebackType

#: Characters of a bar, and of the line that it is in, at the most.
_BAR = 30
_LINE = 60


class Progress:
    """A bar that is redrawn on a terminal; elsewhere a line every ten seconds, so that a log stays short.

    Used in a `with`, which leaves no bar behind. It moves the cursor by nothing but a carriage return, for Windows'
    consoles show other control sequences as they are.
    """

    def __init__(self, what: str) -> None:
        """Tell the progress of `what`, a word or a few."""
        self._what = what
        self._terminal = sys.stderr.isatty()
        self._interval = 0.1 if self._terminal else 10.0
        self._told = time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def __call__(self, done: int, total: int = 0) -> None:
        """Tell that `done` of `total` is done, in any unit, if it is time to; 0 is a total that is not known."""
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
    """Print a line on stderr, in the place of a bar that may be there."""
    print(f"{line:{_LINE}}" if sys.stderr.isatty() else line, file=sys.stderr)
