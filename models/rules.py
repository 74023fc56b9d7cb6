"""Rules: conditions that an overwrite must meet.

A newer field that has a value must not be left out. The other rules apply if a Vela server stores its builds in the
same database, which is the case if its table `repos` exists. The server may create that table after this service has
started. Its own later writes must not fail because of what is stored here:

1. It truncates three texts to a number of bytes whenever it saves a build. If that is in the middle of a character, the
   rest is not UTF-8. PostgreSQL refuses it, and so every later save of that build.
2. The next build of a repository gets the number after the repository's `counter`. If a build has that number already,
   every later build of the repository fails. The server's queue reads a number as 32 bits.
3. New builds get ids from a sequence of PostgreSQL. For each id that is taken already, an INSERT fails.

Only the fields that an overwrite changes must meet the rules: the server works with the others, and an old title that
is too long must not prevent the repair of a build.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from build_admin.models.build import left_out
from build_admin.models.repos import Access, Repos
from build_admin.models.stores.database import Database
from build_admin.models.stores.postgresql import PostgresqlDatabase
from build_admin.models.stores.tables import Columns

#: Length in bytes of UTF-8 to which the server truncates a text.
_BYTES = {"error": 1000, "title": 1000, "message": 2000}

#: The fault of a newer field that is left out.
LEFT_OUT = "has a value in the stored build; send it back, or null to clear it."

_NO_REPOS = "the database's role may not read the Vela server's table repos"
_UNREADABLE: Mapping[str, list[str]] = {"repo_id": [f"cannot be looked up, for {_NO_REPOS}; grant it that."]}

_MAX_NUMBER = 2**31 - 1

#: Up to so many ids, the sequence is advanced with nextval. A setval could move it back if others have advanced it
#: meanwhile.
_STEPS = 1000

#: Returns the attributes of a _Sequence, if the tables exist.
_SEQUENCE = """
    SELECT seq::text, CASE WHEN has_sequence_privilege(seq, 'SELECT') THEN coalesce(pg_sequence_last_value(seq), 0) END,
        has_sequence_privilege(seq, 'UPDATE')
    FROM (SELECT pg_get_serial_sequence('builds', 'id')::regclass AS seq, to_regclass('repos') AS repos) AS found
    WHERE seq IS NOT NULL AND repos IS NOT NULL
"""

#: The faults by field, in sentences without their subject.
Faults = dict[str, list[str]]


class Rules:
    """The rules that apply in a database."""

    def __init__(self, database: Database, columns: Columns) -> None:
        self._database = database
        self._repos = Repos(database)
        self._bytes = {name: min(most, columns.limits.get(name, most)) for name, most in _BYTES.items()}
        #: At least half of all ids are left for the server.
        self._max_id = columns.limits.get("id", 2**63 - 1) // 2

    def faults(self, overwrites: Sequence[tuple[Mapping[str, Any] | None, Mapping[str, Any]]]) -> list[Faults]:
        """Return the faults of each overwrite. For use in a transaction.

        Args:
            overwrites: the stored build, or None, and the fields of the new one. A documented field that is missing is
                not checked.

        Raises:
            peewee.DatabaseError: the database cannot be read.

        """
        found = [{name: [LEFT_OUT] for name in left_out(stored or {}, build)} for stored, build in overwrites]
        long = [self._too_long(stored or {}, build) for stored, build in overwrites]
        numbered = [build for stored, build in overwrites if _is_numbered(stored or {}, build)]
        if not (numbered or any(long)) or (access := self._repos.access()) is Access.ABSENT:
            return found
        counters = self._repos.counters({build["repo_id"] for build in numbered})
        sequence = self._sequence() if any(stored is None for stored, _ in overwrites) else None
        for (stored, build), faults, too_long in zip(overwrites, found, long, strict=True):
            faults |= too_long
            if _is_numbered(stored or {}, build):
                counter = counters.get(build["repo_id"])
                faults |= _UNREADABLE if access is Access.REFUSED else _misnumbered(build, counter)
            if stored is None and "id" in build:
                faults |= self._out_of_sequence(build["id"], sequence)
        return found

    def standing(self) -> tuple[bool, str]:
        """Return whether the rules of a Vela server apply, and which privileges for them are missing; empty for none.

        If one is missing, creations are refused. For use in a transaction; raises peewee.DatabaseError.
        """
        access = self._repos.access()
        sequence = self._sequence()
        lacks = [_NO_REPOS] if access is Access.REFUSED else []
        if access is not Access.ABSENT and sequence and (sequence.last is None or not sequence.movable):
            lacks.append(sequence.lacks)
        return access is not Access.ABSENT, ", and ".join(lacks)

    def pass_id(self, build_id: int) -> None:
        """Advance the server's sequence to `build_id` at least, in the transaction that will insert a build with it.

        SQLite does that by itself. A rollback does not move a sequence back, which only leaves out some ids. Raises
        peewee.DatabaseError.
        """
        sequence = self._sequence()
        if sequence is None or sequence.last is None or build_id <= sequence.last:
            return
        ahead = build_id - sequence.last
        if ahead <= _STEPS:
            self._database.execute_sql("SELECT max(nextval(%s)) FROM generate_series(1, %s)", (sequence.name, ahead))
        else:
            self._database.execute_sql("SELECT setval(%s, %s)", (sequence.name, build_id))

    def _too_long(self, stored: Mapping[str, Any], build: Mapping[str, Any]) -> Faults:
        faults = {}
        for name, most in self._bytes.items():
            text = build.get(name, "")
            if len(text) * 4 > most and text != stored.get(name) and (size := len(text.encode("utf-8"))) > most:
                faults[name] = [f"has {size} bytes of UTF-8; at most {most} fit, the Vela server cuts off the rest."]
        return faults

    def _out_of_sequence(self, build_id: int, sequence: "_Sequence | None") -> Faults:
        if sequence and sequence.last is not None and build_id <= sequence.last:
            return {}
        if sequence and (sequence.last is None or not sequence.movable):
            return {
                "id": [f"may be one that the Vela server gives to a new build, for {sequence.lacks}; grant it that."]
            }
        if build_id > self._max_id:
            return {"id": [f"must be at most {self._max_id}, for the Vela server needs ids after it."]}
        return {}

    def _sequence(self) -> "_Sequence | None":
        if not isinstance(self._database, PostgresqlDatabase):
            return None
        row = self._database.execute_sql(_SEQUENCE).fetchone()
        return _Sequence(*row) if row else None


class _Sequence(NamedTuple):
    """The sequence of the server's build ids.

    Attributes:
        name: its name in a statement.
        last: its last value, 0 for none; None if the role may not read it.
        movable: whether the role may advance it.

    """

    name: str
    last: int | None
    movable: bool

    @property
    def lacks(self) -> str:
        """What the role lacks if it may not read or advance the sequence."""
        return f"the database's role may not read and move on the Vela server's sequence {self.name}"


def _is_numbered(stored: Mapping[str, Any], build: Mapping[str, Any]) -> bool:
    """Return whether the build gets another number."""
    if "repo_id" not in build or "number" not in build:
        return False
    return (build["repo_id"], build["number"]) != (stored.get("repo_id"), stored.get("number"))


def _misnumbered(build: Mapping[str, Any], counter: int | None) -> Faults:
    if counter is None:
        return {"repo_id": ["names no repository of the Vela server; correct it."]}
    if build["number"] > _MAX_NUMBER:
        return {"number": [f"must be at most {_MAX_NUMBER}, for the Vela server reads it as 32 bits."]}
    if build["number"] > counter:
        return {"number": [
            f"must be at most {counter}, the number of the repository's last build, for the Vela server gives those "
            "after it to new builds."
        ]}  # fmt: skip
    return {}
