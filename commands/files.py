"""Files: what a command reads from and writes to, stdin and stdout too."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from build_admin.commands.errors import CommandError

#: What stands for stdin or stdout where a file is named.
STANDARD = Path("-")


def binary(stream: TextIO | None) -> BinaryIO:
    """Return stdin or stdout as bytes. Raises CommandError where it is closed, and so None."""
    if stream is None:
        raise CommandError("stdin or stdout is closed; name a file.")
    return stream.buffer


def reader_left(error: OSError) -> bool:
    """Return whether a write failed because nobody reads stdout any more, which on Windows is an invalid argument."""
    return isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give the path of an empty file, the owner's alone, that becomes `path` at the end; after an error it is removed.

    At the end it is whole and on disk, and it replaces no other file.

    A process that is killed leaves it behind, beside `path`, with a name that ends in `.partial`.

    Raises CommandError where `path` is there already, and for what the system refuses.
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
            _name(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except FileExistsError:
        raise CommandError(f"{path} is there already; name another file, or remove it first.") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror or error}.") from error


def _name(partial: Path, path: Path) -> None:
    """Let the file be found as `path`. Raises FileExistsError where that is there, also since a moment ago."""
    try:
        # Unlike a rename, a link never replaces what is there.
        os.link(partial, path)
    except FileExistsError:
        raise
    except OSError:
        # The file system has no links. An empty file takes the name, which no other process can do any more.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        partial.replace(path)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows opens no folder, and its file systems keep a rename by themselves.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
