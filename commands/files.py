"""Files that a command reads and writes; stdin and stdout too."""

import errno
import glob
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from build_admin.commands.errors import CommandError
from build_admin.models.stores.disk import give_name

#: The argument that stands for stdin or stdout.
STANDARD = Path("-")


def binary(stream: TextIO | None) -> BinaryIO:
    """Return the bytes of stdin or stdout. Raises CommandError if it is closed; Python has None for it then."""
    if stream is None:
        raise CommandError("stdin or stdout is closed; name a file.")
    return stream.buffer


def reader_left(error: OSError) -> bool:
    """Return whether a write to stdout failed because its reader has closed the pipe (EINVAL on Windows)."""
    return isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield the path of an empty file to write, and give it the name `path` at the end; remove it after an error.

    Only its owner can read it. It is synced to disk before it is renamed, and it never replaces a file. A process that
    is killed leaves it behind, beside `path`, with a name that ends in `.partial`.

    Raises CommandError if `path` exists, and for an error of the operating system.
    """
    try:
        if os.path.lexists(path):
            raise FileExistsError
        handle, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".partial", dir=path.parent)
        os.close(handle)
        partial = Path(name)
        try:
            yield partial
            with partial.open("r+b") as file:
                os.fsync(file.fileno())
            give_name(partial, path)
        finally:
            # SQLite leaves a journal beside a file that it could not write.
            for left in partial.parent.glob(glob.escape(partial.name) + "*"):
                left.unlink(missing_ok=True)
    except FileExistsError:
        raise CommandError(f"{path} is there already; name another file, or remove it first.") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror or error}.") from error
