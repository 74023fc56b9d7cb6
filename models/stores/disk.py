"""Disk: creates folders and names files so that both survive a power failure."""

import errno
import os
from pathlib import Path


def make_folder(folder: Path) -> None:
    """Create a folder that only its owner can use, and its parents, unless it exists. Raises OSError."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for place in missing:
        sync_folder(place.parent)


def give_name(file: Path, name: Path) -> None:
    """Give a synced file another name in its folder. The old name may remain; then the caller removes it.

    Raises FileExistsError if the name exists, even if it was made just now, and OSError.
    """
    if os.name == "nt":
        # On Windows a rename never replaces a file. After a link, neither of a file's two names can be removed while
        # another process, such as a virus scanner, has it open.
        file.rename(name)
        return
    try:
        # Unlike a rename, a link never replaces a file.
        os.link(file, name)
    except FileExistsError:
        raise
    except OSError:
        # The file system has no hard links. O_EXCL reserves the name: it fails if another process has taken it.
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        file.replace(name)
    sync_folder(name.parent)


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to disk, if that is possible. Raises OSError if the disk fails."""
    if os.name == "nt":
        return  # Windows cannot sync a folder, and its file systems journal a rename.
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        # A folder that may be written and not read, and a file system that cannot sync one: SQLite ignores both too.
        if error.errno not in (errno.EACCES, errno.EINVAL, errno.ENOTSUP):
            raise
