"""The command backup."""

import sqlite3
from argparse import ArgumentParser, Namespace
from contextlib import closing
from pathlib import Path

from build_admin.commands.errors import CommandError
from build_admin.commands.files import STANDARD, new_file
from build_admin.commands.progress import progress
from build_admin.models.errors import StoreError
from build_admin.models.stores.store import FILE, require_file
from build_admin.settings import Settings

#: Pages copied in one step. Ctrl-C takes effect between two steps.
_PAGES = 1000


def add_backup(parser: ArgumentParser) -> None:
    """Add the arguments of the command backup."""
    parser.epilog = "build-admin backup copy.sqlite3"
    parser.add_argument("file", metavar="FILE", type=Path, help="the file to write; it must not exist")


def run_backup(settings: Settings, options: Namespace) -> None:
    """Copy the SQLite store to a new file. The copy is consistent even while the service writes.

    To restore it, stop the service, replace builds.sqlite3 with it, and remove builds.sqlite3-wal and
    builds.sqlite3-shm. A PostgreSQL database is backed up with pg_dump.

    Raises StoreError for a PostgreSQL database and for a store that cannot be copied, and CommandError for a file that
    cannot be written; neither leaves a file.
    """
    if settings.database_url:
        raise StoreError("A PostgreSQL database is backed up with pg_dump, which comes with it; nothing was written.")
    if options.file == STANDARD:
        raise CommandError("A backup is a file and cannot be written to stdout; name the file.")
    require_file(settings.data)
    store = settings.data / FILE
    try:
        with new_file(options.file) as partial:
            _copy(store, partial)
            size = partial.stat().st_size
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            raise KeyboardInterrupt from None
        raise StoreError(f"The database file {store} cannot be copied to {options.file}: {error}.") from error
    print(f"backed up to {options.file}, {size} bytes")


def _copy(source: Path, partial: Path) -> None:
    """Copy the store, and check the copy.

    The copy is what one read transaction sees. With a write-ahead log, writers do not wait for it and do not make it
    start again; the log grows until the copy is done.
    """
    uri = source.resolve().as_uri() + "?mode=rw"
    with (
        closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as live,
        closing(sqlite3.connect(partial, isolation_level=None)) as copy,
    ):
        live.execute("BEGIN")
        live.execute("SELECT 1 FROM sqlite_master").fetchone()
        with progress("backup") as show:
            live.backup(copy, pages=_PAGES, progress=lambda _, left, total: show(total - left, total))
        # The copy must be a single file. In WAL mode it could need the log beside it, which a user would not copy.
        copy.execute("PRAGMA journal_mode = DELETE")
        # Only a call back into Python lets Ctrl-C interrupt a long statement.
        copy.set_progress_handler(lambda: 0, 100_000)
        (answer,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
        if answer != "ok":
            raise sqlite3.DatabaseError(f"the copy is damaged ({answer})")
