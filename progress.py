"""Progress: how far something long has come, on stderr."""

import sys
import time
from types import TracebackType

_WIDTH = 30


class Progress:
    """A bar that is redrawn on a terminal; elsewhere a line every ten seconds, so that a log stays short.

    Used in a `with`, which leaves no bar behind.
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
            bar = f"[{'#' * int(share * _WIDTH):{_WIDTH}}] " if total else ""
            print(f"\r{self._what} {bar}{far}\x1b[K", end="", file=sys.stderr, flush=True)
        else:
            print(f"{self._what}: {far}", file=sys.stderr, flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
