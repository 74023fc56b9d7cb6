"""Store: the database in the settings, opened and with its tables."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import peewee

from build_admin.models import vela
from build_admin.models.errors import StoreError
from build_admin.models.rules import Rules
from build_admin.models.stores.database import Database
from build_admin.models.stores.disk import make_folder
from build_admin.models.stores.postgresql import PostgresqlDatabase
from build_admin.models.stores.sqlite import SqliteDatabase
from build_admin.models.stores.tables import Columns, absent, prepare

FILE = "builds.sqlite3"


@dataclass(frozen=True)
class Store:
    """An opened database.

    Attributes:
        database: the database.
        columns: what its table `builds` can hold.
        name: its name in messages, without a password.

    """

    database: Database
    columns: Columns
    name: str

    def close(self) -> None:
        """Close this thread's connection. Closing the last one of all also ends SQLite's write-ahead log."""
        self.database.close()


def open_store(data: Path, url: str = "") -> Store:
    """Open the database at `url`, or the SQLite file in the folder `data` if `url` is empty; create what is missing.

    Raises StoreError if it cannot be used.
    """
    name = _name(data, url)
    if not url:
        _open_file(data / FILE, os.O_RDWR | os.O_CREAT)
    database = _postgresql(url) if url else SqliteDatabase(data / FILE)
    with in_words(name):
        return Store(database, prepare(database), name)


def describe(data: Path, url: str = "") -> str:
    """Return one line about what `open_store` would open and create; change nothing.

    Raises StoreError if it could not be used.
    """
    name = _name(data, url)
    if not url:
        require_folder(data)
        if not os.path.lexists(data / FILE):
            return f"{name}: not there yet; it will be made at the first start"
        _open_file(data / FILE, os.O_RDWR)
    database = _postgresql(url) if url else SqliteDatabase(data / FILE)
    with in_words(name), closing(database):
        missing = absent(database)
        tables = f"tables {', '.join(missing)} will be made at the first start" if missing else "its tables are there"
        found = f"{name}: reachable, {tables}"
        columns = prepare(database, rehearse=True)
        if "builds" not in missing:
            found += _rules(database, columns)
        if unread := vela.withheld(database):
            found += f"; no privilege to read {', '.join(unread)}, so what they tell is not known"
        return found


def _rules(database: Database, columns: Columns) -> str:
    lacking = f"; no columns for {', '.join(columns.missing)}, which are refused" if columns.missing else ""
    in_force, lacks = Rules(database, columns).standing()
    rules = "; it is a Vela server's, whose rules are in force" if in_force else ""
    return lacking + rules + (f"; creations are refused, for {lacks}" if lacks else "")


def require_folder(folder: Path) -> None:
    """Raise StoreError unless files can be created in `folder`; if it does not exist, unless it can be created."""
    try:
        nearest = next((place for place in (folder, *folder.parents) if os.path.lexists(place)), folder)
        tempfile.TemporaryFile(dir=nearest).close()
    except OSError as error:
        raise StoreError(f"The folder {folder} cannot be made or written to: {error.strerror}.") from None


def require_file(data: Path, url: str = "") -> None:
    """Raise StoreError if the SQLite file does not exist; `open_store` would create an empty one."""
    # Unlike Path.exists, this does not raise PermissionError.
    if not url and not os.path.exists(data / FILE):  # noqa: PTH110
        raise StoreError(f"There is no database file {data / FILE}; BUILD_ADMIN_DATA names the folder that it is in.")


def _name(data: Path, url: str) -> str:
    return "the PostgreSQL database" if url else f"the database file {data / FILE}"


@contextmanager
def in_words(name: str) -> Iterator[None]:
    """Raise StoreError for an error of the database, with its `name` in the message."""
    try:
        yield
    except peewee.DatabaseError as error:
        words = " ".join(str(error).split())
        end = "" if words.endswith((".", "?")) else "."
        raise StoreError(f"{name[0].upper()}{name[1:]} cannot be used: {words}{end}") from error


def _open_file(file: Path, flags: int) -> None:
    """Raise StoreError unless `file` can be opened with `flags`, which may create it; not through a link."""
    try:
        if file.is_symlink() and not file.exists():
            # A Vela server's file, perhaps, on a disk that is not there now: an empty store must not take its place.
            raise StoreError(f"The database file {file} is a link to {file.readlink()}, which is not there.")
        if flags & os.O_CREAT:
            make_folder(file.parent)
        # SQLite would create a file that other users can read. Its journals get the mode of this file.
        os.close(os.open(file, flags, 0o600))
    except OSError as error:
        raise StoreError(f"The database file {file} cannot be opened: {error.strerror}.") from None


def _postgresql(url: str) -> PostgresqlDatabase:
    if not url.startswith(("postgresql://", "postgres://")):
        raise StoreError("BUILD_ADMIN_DATABASE_URL must begin with postgresql://, and be empty for SQLite.")
    try:
        return PostgresqlDatabase(url)
    except ImportError:
        raise StoreError("PostgreSQL needs psycopg; install it with: pip install 'psycopg[binary]'.") from None
    except ValueError as error:
        raise StoreError(f"BUILD_ADMIN_DATABASE_URL {error}.") from None
