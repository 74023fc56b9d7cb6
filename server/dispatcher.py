"""Dispatcher: which requests are worked on together, which by themselves, and in which threads."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from build_admin import logs
from build_admin.server.channel import Channel

log = logging.getLogger("build_admin.server")

#: Seconds for which the thread that reads from the sockets waits for those that answer.
PATIENCE = 0.01

#: The methods that change nothing (RFC 9110, section 9.2.1). A request with another one may write.
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class Transactions(Protocol):
    """What the dispatcher has to know of a database; `models.stores.database.Database` is one."""

    def group(self) -> AbstractContextManager[Any]:
        """Give a group whose members share one transaction."""

    def arrived(self, at: float) -> None:
        """Count from `at` how long the thread's work may wait from now on."""


class Lane:
    """Requests of one kind that wait for a thread, and the threads for them.

    A request that waits for the database holds up others of its kind only.

    Attributes:
        queue: the connections whose next request is of this kind.
        resting: the threads that have nothing to do, by what wakes them; the one that has rested shortest is last.

    """

    def __init__(self, name: str, threads: int, answer: Callable[["Lane"], None]) -> None:
        """Make a lane of `threads` threads, each of which calls `answer` as long as something is queued."""
        self.name = name
        self.threads = threads
        self.answer = answer
        self.queue: deque[Channel] = deque()
        self.resting: list[threading.Condition] = []


class Dispatcher:
    """The threads that requests are worked on in. It takes the place of waitress's ThreadedTaskDispatcher.

    Python runs one thread at a time, and to hand over costs more than a request does: a thread for each request, as
    waitress has it, answers half as many. So one thread works off all that has arrived, while the thread that reads
    from the sockets waits for it, unless it takes longer than PATIENCE. Then that reads on.

    There are four lanes:

    - `quick`: what never waits for the database, such as /health, and what is no HTTP.
    - `reads`: requests with a safe method.
    - `writes`: all others. One thread answers all that have arrived as a group, which shares one commit.
    - `alone`: requests that have left a group. Each may wait for a lock without keeping others from their answers.
    """

    def __init__(
        self,
        threads: int,
        transactions: Transactions,
        may_wait: Callable[[str], bool],
        leave: Callable[[], object],
    ) -> None:
        """Start the threads.

        Args:
            threads: how many requests are read, or worked on by themselves, at once.
            transactions: gives the groups.
            may_wait: tells whether a request for a path may wait for the database.
            leave: called by each thread before it ends.

        """
        self._transactions = transactions
        self._may_wait = may_wait
        self._leave = leave
        self._lock = threading.Lock()
        self._rested = threading.Condition(self._lock)
        self._stopping = False
        self._quick = Lane("quick", 1, self._answer_next)
        self._reads = Lane("reads", max(1, threads - threads // 2), self._answer_next)
        self._writes = Lane("writes", 1, self._answer_group)
        self._alone = Lane("alone", max(1, threads // 2), self._answer_next)
        self._lanes = (self._quick, self._writes, self._reads, self._alone)
        self._running = 0
        for lane in self._lanes:
            for number in range(lane.threads):
                self._running += 1
                name = f"build-admin-{lane.name}-{number}"
                threading.Thread(target=self._run, name=name, args=(lane,), daemon=True).start()

    def add_task(self, channel: Channel) -> None:
        """Queue a connection that has a request to answer. Waitress calls this, in any thread."""
        channel.arrived = time.monotonic()
        request = channel.requests[0]
        if request.error or not self._may_wait(request.path):
            self._quick.queue.append(channel)
        elif request.command in SAFE:
            self._reads.queue.append(channel)
        else:
            self._writes.queue.append(channel)

    @property
    def waiting(self) -> int:
        """How many connections wait for a thread."""
        return sum(len(lane.queue) for lane in self._lanes)

    def work(self) -> bool:
        """Wake a thread of each lane that has work, and wait until one has done its work.

        Returns whether there is still work that a resting thread could do.
        """
        with self._lock:
            called = [lane.resting.pop() for lane in self._lanes if lane.queue and lane.resting]
            for thread in called:
                thread.notify()
            if called:
                self._rested.wait(PATIENCE)
            return any(lane.queue and lane.resting for lane in self._lanes)

    def shutdown(self, timeout: float) -> None:
        """End the threads, and wait for them for at most `timeout` seconds; what they are at then is abandoned."""
        deadline = time.monotonic() + timeout
        with self._lock:
            self._stopping = True
            for lane in self._lanes:
                for thread in lane.resting:
                    thread.notify()
            while self._running and (left := deadline - time.monotonic()) > 0:
                self._rested.wait(left)

    def _run(self, lane: Lane) -> None:
        call = threading.Condition(self._lock)
        while self._wait(lane, call):
            try:
                while lane.queue:
                    lane.answer(lane)
            except BaseException:  # a thread that ends is never replaced
                log.exception("a worker thread failed")
        try:
            self._leave()
        finally:
            with self._lock:
                self._running -= 1
                self._rested.notify()

    def _wait(self, lane: Lane, call: threading.Condition) -> bool:
        """Wait until there is something to do for a thread of the lane; return False if it is to end."""
        with self._lock:
            while not self._stopping:
                if lane.queue:
                    return True
                lane.resting.append(call)
                self._rested.notify()
                call.wait()
            return False

    def _answer_next(self, lane: Lane) -> None:
        """Answer a request by itself."""
        if (channel := _next(lane)) is None:
            return
        if not channel.requests[0].error:
            self._transactions.arrived(channel.arrived)
            channel.call()
        _send([channel])

    def _answer_group(self, lane: Lane) -> None:
        """Answer all that is queued with one commit, up to the first failure; send those on that must wait."""
        answered: list[Channel] = []
        try:
            with logs.together(), self._transactions.group() as group:
                while not group.ended and (channel := _next(lane)) is not None:
                    answered.append(channel)
                    group.run(channel)
        except BaseException:
            # Whether the commit has been reached is not known here, so nobody can be told either.
            for channel in answered:
                channel.will_close = True
            raise
        _send([channel for channel in answered if channel not in group.again])
        self._alone.queue.extend(group.again)
        if group.again:
            self._call_alone()

    def _call_alone(self) -> None:
        with self._lock:
            for _ in range(min(len(self._alone.queue), len(self._alone.resting))):
                self._alone.resting.pop().notify()


def _next(lane: Lane) -> Channel | None:
    try:
        return lane.queue.popleft()
    except IndexError:  # another thread of the lane has taken the last
        return None


def _send(channels: list[Channel]) -> None:
    for channel in channels:
        try:
            channel.service()
        except BaseException:
            log.exception("an answer could not be sent")
            channel.will_close = True
