"""The tables of a Vela server that the service reads, with the columns and types of its public migrations."""

import contextlib
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from build_admin.models.stores.store import FILE

TABLES = (
    "CREATE TABLE repos (id {serial}, user_id BIGINT, org VARCHAR(250), name VARCHAR(250), "
    "full_name VARCHAR(500) UNIQUE, counter BIGINT)",
    "CREATE TABLE workers (id {serial}, hostname VARCHAR(250) UNIQUE, address VARCHAR(250), active BOOLEAN, "
    "status VARCHAR(50), running_build_ids VARCHAR(500), last_checked_in BIGINT, build_limit INTEGER)",
    "CREATE TABLE build_executables (id {serial}, build_id BIGINT UNIQUE, data BYTEA)",
)

#: The tables that servers of several versions create, one file each.
STORES = Path(__file__).parent / "stores" / "vela"
VERSIONS = sorted(file.stem for file in STORES.glob("*.sql"))


class Tables:
    """A Vela server's tables in a store of either kind."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._url = settings.get("DATABASE_URL", "")
        self._file = Path(settings["DATA"]) / FILE
        self._text: type = str

    @property
    def on_postgresql(self) -> bool:
        """Whether the store is on PostgreSQL."""
        return bool(self._url)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Execute a statement, whose placeholders are `?`, in its own transaction, and return its rows."""
        if self._url:
            with psycopg.connect(self._url, autocommit=True) as connection:
                cursor = connection.execute(statement.replace("?", "%s").encode(), values)
                return cursor.fetchall() if cursor.description else []
        self._file.parent.mkdir(exist_ok=True, parents=True)
        with contextlib.closing(sqlite3.connect(self._file)) as file, file:
            file.text_factory = self._text
            return file.execute(statement, values).fetchall()

    def row(self, build_id: int) -> list[tuple[Any, ...]]:
        """Return the row of a build. In SQLite, text is returned as bytes, because it may not be UTF-8."""
        self._text = bytes
        try:
            return self.execute("SELECT * FROM builds WHERE id = ?", [build_id])
        finally:
            self._text = str

    def make_version(self, version: str) -> None:
        """Create the tables `builds` and `repos` of this version of the server."""
        tables = (STORES / f"{version}.sql").read_text(encoding="utf-8")
        if not self._url:
            tables = re.sub(r"(BIG)?SERIAL PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT", tables)
            tables = re.sub(r"VARCHAR\(\d+\)", "TEXT", tables.replace("BIGINT", "INTEGER"))
        for table in tables.rpartition(";")[0].split(";"):
            self.execute(table)

    def make(self, *tables: str) -> None:
        """Create the given tables, or else all."""
        serial = "BIGSERIAL PRIMARY KEY" if self._url else "INTEGER PRIMARY KEY AUTOINCREMENT"
        for table in tables or TABLES:
            self.execute(table.format(serial=serial))

    def insert(self, table: str, **columns: Any) -> None:
        """Insert a row."""
        names = ", ".join(f'"{name}"' for name in columns)
        values = ", ".join("?" * len(columns))
        self.execute(f"INSERT INTO {table} ({names}) VALUES ({values})", list(columns.values()))
