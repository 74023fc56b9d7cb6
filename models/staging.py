"""Staging: keeps the checked records of an import in a temporary file until they are stored."""

import marshal
import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

from build_admin.models.build import canonical, compact

# It takes a quarter of the time of JSON. Only this process reads and writes the file.
_loads = marshal.loads  # noqa: S302

#: How many records are returned at once.
_BATCH = 500

_TABLES = """
    PRAGMA cache_size = -16384;
    CREATE TABLE builds (position INTEGER PRIMARY KEY, id INTEGER NOT NULL UNIQUE, repo_id INTEGER NOT NULL,
        number INTEGER NOT NULL, fields BLOB NOT NULL, UNIQUE (repo_id, number));
    CREATE TABLE revisions (position INTEGER PRIMARY KEY, build_id INTEGER NOT NULL, revision INTEGER NOT NULL,
        repair INTEGER, fields BLOB NOT NULL, UNIQUE (build_id, revision));
    CREATE INDEX revisions_repair ON revisions (repair) WHERE repair IS NOT NULL;
    CREATE TABLE repairs (position INTEGER PRIMARY KEY, repair INTEGER NOT NULL UNIQUE, changed INTEGER NOT NULL,
        fields BLOB NOT NULL);
    CREATE TABLE refused (position INTEGER PRIMARY KEY, kind TEXT NOT NULL, id INTEGER NOT NULL);
    BEGIN;
"""


class StagedBuild(NamedTuple):
    """A build that is staged.

    Attributes:
        position: its position in the import.
        fields: its fields, as the schema returned them.
        has_history: whether revisions of it are staged too.

    """

    position: int
    fields: dict[str, Any]
    has_history: bool


class Staging:
    """Builds, revisions and repairs by their position in the import, without duplicates.

    SQLite creates the temporary file when the records need more than 16 MiB of memory, and removes it on closing.
    """

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.executescript(_TABLES)

    def close(self) -> None:
        """Remove the file."""
        self._connection.close()

    def add_build(self, position: int, fields: dict[str, Any]) -> list[tuple[str, int]]:
        """Add a build, unless an earlier one has its id or its number.

        Returns the name and the earlier position of what is repeated; an empty list if the build was added.
        """
        values = (position, fields["id"], fields["repo_id"], fields["number"], marshal.dumps(fields))
        try:
            self._connection.execute("INSERT INTO builds VALUES (?, ?, ?, ?, ?)", values)
        except sqlite3.IntegrityError:
            by_id = "SELECT 'id', position FROM builds WHERE id = ?"
            by_number = "SELECT 'repo_id and number', position FROM builds WHERE repo_id = ? AND number = ?"
            return self._connection.execute(f"{by_id} UNION ALL {by_number}", values[1:4]).fetchall()
        return []

    def add_revision(self, position: int, fields: dict[str, Any]) -> list[tuple[str, int]]:
        """Add a revision, unless it is a duplicate. Returns what `add_build` returns."""
        row = marshal.dumps(_revision_row(fields))
        values = (position, fields["build_id"], fields["revision"], fields.get("repair"), row)
        try:
            self._connection.execute("INSERT INTO revisions VALUES (?, ?, ?, ?, ?)", values)
        except sqlite3.IntegrityError:
            query = "SELECT 'build_id and revision', position FROM revisions WHERE build_id = ? AND revision = ?"
            return self._connection.execute(query, values[1:3]).fetchall()
        return []

    def add_repair(self, position: int, fields: dict[str, Any]) -> list[tuple[str, int]]:
        """Add a repair, unless it is a duplicate. Returns what `add_build` returns."""
        values = (position, fields["repair"], fields["changed"], marshal.dumps(fields))
        try:
            self._connection.execute("INSERT INTO repairs VALUES (?, ?, ?, ?)", values)
        except sqlite3.IntegrityError:
            query = "SELECT 'number', position FROM repairs WHERE repair = ?"
            return self._connection.execute(query, values[1:2]).fetchall()
        return []

    def add_refused(self, position: int, sent: dict[str, Any]) -> None:
        """Note a record with faults: the id of a build, or the repair of a revision, or the number of a repair."""
        kind = "revision" if "revision" in sent else "repair" if "repair" in sent else "build"
        number = sent.get("id" if kind == "build" else "repair")
        if type(number) is int and abs(number) < 2**63:
            self._connection.execute("INSERT INTO refused VALUES (?, ?, ?)", (position, kind, number))

    def may_move(self, build_id: int, position: int) -> bool:
        """Return whether a record before `position` changes the build's number, or would without its faults."""
        query = (
            "SELECT 1 FROM builds WHERE id = ?1 AND position < ?2 "
            "UNION ALL SELECT 1 FROM refused WHERE kind = 'build' AND id = ?1 AND position < ?2"
        )
        return self._connection.execute(query, (build_id, position)).fetchone() is not None

    def builds(self) -> Iterator[list[StagedBuild]]:
        """Yield the builds in batches, in order."""
        query = (
            "SELECT position, fields, EXISTS (SELECT 1 FROM revisions WHERE build_id = builds.id) "
            "FROM builds ORDER BY position"
        )
        for batch in self._batches(query):
            yield [StagedBuild(position, _loads(fields), bool(history)) for position, fields, history in batch]

    def revisions(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows of the revisions in batches, in order. A revision of a repair has `repair` too."""
        for batch in self._batches("SELECT fields FROM revisions ORDER BY position"):
            yield [_loads(fields) for (fields,) in batch]

    def repairs(self) -> Iterator[list[tuple[int, int, dict[str, Any]]]]:
        """Yield, in batches, the position of each repair, the number of its revisions, and its fields.

        If a revision of it has faults, the number is that in the repair.
        """
        query = (
            "SELECT position, CASE WHEN repair IN (SELECT id FROM refused WHERE kind = 'revision') THEN changed "
            "ELSE (SELECT COUNT(*) FROM revisions WHERE revisions.repair = repairs.repair) END, fields "
            "FROM repairs ORDER BY position"
        )
        for batch in self._batches(query):
            yield [(position, revisions, _loads(fields)) for position, revisions, fields in batch]

    def without_repair(self) -> Iterator[list[tuple[int, int]]]:
        """Yield, in batches, the positions of revisions whose repair is missing, with the repair's number."""
        yield from self._batches(
            "SELECT position, repair FROM revisions "
            "WHERE repair IS NOT NULL AND repair NOT IN (SELECT repair FROM repairs) "
            "AND repair NOT IN (SELECT id FROM refused WHERE kind = 'repair') ORDER BY position"
        )

    def histories(self) -> Iterator[list[tuple[int, int]]]:
        """Yield, in batches, the position of each build's first revision, with the build's id."""
        yield from self._batches("SELECT MIN(position), build_id FROM revisions GROUP BY build_id")

    def _batches(self, query: str) -> Iterator[list[Any]]:
        cursor = self._connection.execute(query)
        while batch := cursor.fetchmany(_BATCH):
            yield batch


def _revision_row(revision: dict[str, Any]) -> dict[str, Any]:
    before = revision["before"]
    return {
        **revision,
        "changes": compact(revision["changes"]),
        "before": None if before is None else canonical(before).decode("utf-8"),
    }
