"""Preview: the answer to the dry run of a repair, one line a build. It may be too large for memory."""

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

#: Bytes reserved at the beginning for the counts, which are known only at the end.
_COUNTS = 256

#: Seconds after which a client may try again if temporary files cannot be written.
_RETRY_AFTER = 60


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    """Raise HTTPServiceUnavailable for an OSError, which means that temporary files cannot be written."""
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
    """The JSON text of a dry run, written while its builds are planned.

    Its methods raise HTTPServiceUnavailable if it is too large for memory and temporary files cannot be written.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - it outlives the request, until it is sent
        self._file.write(_COUNTS * b" " + b'"builds": [')
        self._between = b"\n"

    @_in_words()
    def add(self, builds: Sequence[Planned]) -> None:
        """Write the planned changes of some builds."""
        for one in builds:
            line = f'{{"id":{one.id},"etag":"{one.etag}","changes":{one.changes}}}'
            self._file.write(self._between + line.encode())
            self._between = b",\n"

    @_in_words()
    def answer(self, resp: falcon.Response, plan: Plan) -> None:
        """Answer with the counts, the builds that were added, and the rest of the plan."""
        rest = layout.text(skipped(plan))[2:-3]  # without the brackets of the object
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
    """Return the builds that an undo leaves as they are, by the name of their field; a repair has no such field."""
    return {} if plan.skipped is None else {"skipped": [one._asdict() for one in plan.skipped]}
