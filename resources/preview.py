"""Preview: the answer to a repair that is not carried out, a build a line; it may be too long for the memory."""

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import falcon

from build_admin.logs import event
from build_admin.models.plan import Plan, Planned
from build_admin.resources import layout

log = logging.getLogger("build_admin.error")

#: Bytes up to which a preview is kept in memory. A longer one is a temporary file until it is sent: of 10,000 builds
#: whose texts are at their limits it has several hundred megabytes.
IN_MEMORY = 4 * 1024 * 1024

#: Bytes that are left free for the counts. They come first, and are known last.
_COUNTS = 256


#: Seconds after which a client may try again where temporary files cannot be written.
_RETRY_AFTER = 60


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    """Raise HTTPServiceUnavailable for OSError: temporary files cannot be written."""
    try:
        yield
    except OSError as error:
        event(log, logging.ERROR, "a preview cannot be kept in a temporary file", error=str(error))
        raise falcon.HTTPServiceUnavailable(
            description="The server has no room for so long a preview, and nothing was changed; narrow 'where' down, "
            "or set shorter texts.",
            retry_after=_RETRY_AFTER,
        ) from None


class Preview:
    """The JSON text of what would change, written while it is found.

    Its methods raise HTTPServiceUnavailable where it is too long for the memory and temporary files cannot be written.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - it outlives the request, until it is sent
        self._file.write(_COUNTS * b" " + b'"builds": [')
        self._between = b"\n"

    @_in_words()
    def add(self, builds: Sequence[Planned]) -> None:
        """Write what changes of some builds."""
        for one in builds:
            line = f'{{"id":{one.id},"etag":"{one.etag}","changes":{one.changes}}}'
            self._file.write(self._between + line.encode())
            self._between = b",\n"

    @_in_words()
    def answer(self, resp: falcon.Response, plan: Plan) -> None:
        """Answer with what was added, and with the counts and the rest of the plan."""
        rest = layout.text(skipped(plan))[2:-3]  # without what begins and ends an object
        self._file.write(b"\n]" + (b",\n" + rest if rest else b"") + b"\n}\n")
        size = self._file.tell()
        counts = {
            "selected": plan.selected,
            "changed": plan.changed,
            "unchanged": plan.unchanged,
            "alive": plan.alive,
        }
        self._file.seek(0)
        self._file.write((layout.text(counts)[:-3] + b",").ljust(_COUNTS - 1) + b"\n")
        self._file.seek(0)
        if size <= IN_MEMORY:
            resp.data = self._file.read()
        else:
            resp.set_stream(self._file, size)


def skipped(plan: Plan) -> dict[str, Any]:
    """Return what an undo leaves as it is; a repair leaves nothing."""
    return {} if plan.skipped is None else {"skipped": [one._asdict() for one in plan.skipped]}
