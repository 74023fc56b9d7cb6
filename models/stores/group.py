"""Group: requests that share a transaction, and so one commit."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from build_admin.models.errors import Refusal
from build_admin.models.stores.errors import FAILURES, CommitLost, LeaveGroup

if TYPE_CHECKING:
    from build_admin.models.stores.database import Database

T = TypeVar("T")


class Member(Protocol):
    """A request that can be run as a member of a group.

    Attributes:
        arrived: when it arrived, in seconds of `time.monotonic`.

    """

    arrived: float

    def call(self) -> None:
        """Call the application for the request, and keep the answer. It may be called more than once."""


@dataclass
class _Run:
    """The run of one member.

    Attributes:
        member: the request.
        joined: whether it has used the transaction; its answer is true only if that is committed.
        wrote: whether it may have written.
        again: whether it must be run again by itself.
        callbacks: what to call after the commit.

    """

    member: Member
    joined: bool = False
    wrote: bool = False
    again: bool = False
    callbacks: list[Callable[[], object]] = field(default_factory=list)


class Group:
    """The members of a group, and the transaction that they share.

    A failure of one member does not change the answer of another:

    1. The first failure of any type ends the group, and the transaction is rolled back. The failed member keeps its
       answer, as do those that have not used the transaction. The others are run again by themselves.
    2. If the commit fails, every member that has used the transaction is run again by itself.
    3. If it is not known whether the commit has succeeded, a member that wrote cannot be run again: it might write
       twice. It is called once more with `Database.write` raising CommitLost, so that its answer says so.
    4. A member that would wait for a lock, or read, raises LeaveGroup and is run again by itself.

    Attributes:
        ended: whether no more members can be run.
        again: the members that must be run again by themselves, in their order; known after the group.

    """

    def __init__(self, database: "Database") -> None:
        self.ended = False
        self.again: list[Member] = []
        self._database = database
        self._runs: list[_Run] = []
        self._begun = False

    def run(self, member: Member) -> None:
        """Call `member` as the next member of the group."""
        self._runs.append(_Run(member))
        self._database.arrived(member.arrived)
        member.call()

    def leave(self) -> None:
        """Have the current member run again by itself. Raises LeaveGroup, unless the group has ended."""
        if not self.ended:
            self._runs[-1].again = True
            raise LeaveGroup

    def write(self, work: Callable[[], T]) -> T:
        """Run the current member's `work` in the shared transaction. Raises what Database.write raises."""
        run = self._runs[-1]
        try:
            if not self._begun:
                self._database.begin_to_write()
                self._begun = True
            run.joined = True
            result = work()
        except LeaveGroup:
            run.again = True
            raise
        except Refusal:
            raise
        except BaseException:
            self._roll_back()
            self._run_again(self._runs[:-1])
            raise
        run.wrote = True
        return result

    def on_commit(self, callback: Callable[[], object]) -> None:
        """Call `callback` once the current member's answer is final; not at all if the member is run again."""
        run = self._runs[-1]
        if run.again:
            return
        if self.ended or not run.joined:
            callback()
        else:
            run.callbacks.append(callback)

    def finish(self) -> None:
        """Commit, and decide which members must be run again. It does not raise: each member has its own answer."""
        try:
            if self._begun:
                self._commit()
        finally:
            self.ended = True
            self.again = [run.member for run in self._runs if run.again]

    def _commit(self) -> None:
        self._begun = False
        try:
            self._database.arrived(self._runs[0].member.arrived)
            self._database.commit()
        except CommitLost:
            self._run_again([run for run in self._runs if not run.wrote])
            with self._database.commit_lost():
                for run in self._runs:
                    if run.wrote:
                        run.member.call()
        except FAILURES:
            self._database.roll_back()
            self._run_again(self._runs)
        else:
            for run in self._runs:
                for callback in run.callbacks:
                    callback()
        finally:
            self._database.end_to_write()

    def _roll_back(self) -> None:
        self.ended = True
        if self._begun:
            self._begun = False
            try:
                self._database.roll_back()
            finally:
                self._database.end_to_write()

    def _run_again(self, runs: list[_Run]) -> None:
        for run in runs:
            run.again = run.again or run.joined
