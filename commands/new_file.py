"""New file: a file that is there whole and on disk, or not at all, and that replaces no other."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NewFileError(Exception):
    """The file cannot be written; the message is one sentence."""


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give the path of an empty file, the owner's alone, that becomes `path` at the end; after an error it is removed.

    A process that is killed leaves it behind, beside `path`, with a name that ends in `.partial`.

    Raises NewFileError where `path` is there already, and for what the system refuses.
    """
    try:
        _refuse_existing(path)
        handle, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".partial", dir=path.parent)
        os.close(handle)
        partial = Path(name)
        try:
            yield partial
            with partial.open("r+b") as file:
                os.fsync(file.fileno())
            _refuse_existing(path)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise NewFileError(f"{path} cannot be written: {error.strerror or error}.") from error


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise NewFileError(f"{path} is there already; name another file, or remove it first.")


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows opens no folder, and its file systems keep a rename by themselves.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
