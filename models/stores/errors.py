"""Errors of a transaction, beside those of peewee."""

import sqlite3

import peewee

from build_admin.models.errors import Conflict, Refusal, Unstorable

#: What peewee raises if a database cannot do what it was asked to do.
FAILURES = (peewee.DatabaseError, peewee.InterfaceError)


#: SQLite's codes for a key that another row has; a concurrent transaction may have just written that row.
_TAKEN = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID}


class CommitLost(peewee.OperationalError):
    """The connection was lost during a commit, and it is not known whether the transaction was committed."""


class LeaveGroup(Refusal):
    """The request cannot be run in a group. It is run again by itself, so a client never gets this."""


def refusal(error: peewee.DatabaseError) -> Refusal | None:
    """Return Unstorable or Conflict for an error of a value, a constraint or a trigger; None for any other.

    In PostgreSQL the class of the SQLSTATE tells (manual, appendix A): 23 and 44 are constraints, P0 is a RAISE. An
    IntegrityError without an error of the driver is raised in this package, where a trigger or a policy of the table
    has ignored a write.
    """
    if isinstance(error, peewee.DataError):
        return Unstorable()
    cause = getattr(error, "orig", None)
    state, code = getattr(cause, "sqlstate", None) or "", getattr(cause, "sqlite_errorcode", 0)
    in_postgresql = state.startswith(("23", "44", "P0")) and state != "23505"
    in_sqlite = code & 0xFF == sqlite3.SQLITE_CONSTRAINT and code not in _TAKEN
    ignored = cause is None and isinstance(error, peewee.IntegrityError)
    if not (in_postgresql or in_sqlite or ignored):
        return None
    return Conflict(
        "A constraint or trigger of the database refuses this, and nothing was stored; the service's log says why."
    )
