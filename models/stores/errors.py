"""Errors of a transaction, beside those of peewee."""

import peewee

from build_admin.models.errors import Refusal

#: What peewee raises if a database cannot do what it was asked to do.
FAILURES = (peewee.DatabaseError, peewee.InterfaceError)


class CommitLost(peewee.OperationalError):
    """The connection was lost during a commit, and it is not known whether the transaction was committed."""


class PendingFailed(Exception):
    """A statement of an earlier member of the group has failed while another member was run."""


class LeaveGroup(Refusal):
    """The request cannot be run in a group. It is run again by itself, so a client never gets this."""
