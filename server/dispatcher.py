"""Dispatcher: assigns requests to worker threads, and to groups that share a transaction."""

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

#: Maximum seconds for which the main thread waits for worker threads before it reads from the sockets again.
PATIENCE = 0.01

#: The methods that change nothing (RFC 9110, section 9.2.1). A request with another one may write.
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class Transactions(Protocol):
    """What the dispatcher needs of a database; `models.stores.database.Database` has it."""

    def group(self) -> AbstractContextManager[Any]:
        """Open a group, whose members share one transaction."""

    def arrived(self, at: float) -> None:
        """Count the timeouts of this thread's next work from `at`, in seconds of `time.monotonic`."""


class Lane:
    """A queue of requests of one kind, and the worker threads for them.

    A request that waits for the database delays only requests of its own lane.

    Attributes:
        queue: the connections whose next request is of this kind.
        resting: the conditions of the idle threads; that of the thread which became idle last is the last one.

    """

    def __init__(self, name: str, threads: int, answer: Callable[["Lane"], None]) -> None:
        """Make a lane of `threads` threads, each of which calls `answer` while something is queued."""
        self.name = name
        self.threads = threads
        self.answer = answer
        self.queue: deque[Channel] = deque()
        self.resting: list[threading.Condition] = []


class Dispatcher:
    """The worker threads. It takes the place of waitress's ThreadedTaskDispatcher.

    Only one thread at a time has Python's interpreter lock, and passing it on costs more than answering a request.
    Waitress's way, a thread for each request, answers half as many. So one thread answers all queued requests of a
    lane, while the main thread waits for it, for at most PATIENCE.

    There are four lanes:

    - `quick`: requests that never wait for the database, such as /health, and malformed ones.
    - `reads`: requests with a safe method.
    - `writes`: all other requests. One thread answers all queued ones as a group, which shares one commit.
    - `alone`: requests that have left a group. Each may wait for a lock without delaying others.
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
            threads: how many requests the lanes `reads` and `alone` answer at once, together.
            transactions: gives the groups.
            may_wait: returns whether a request for a path may wait for the database.
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
        """Queue a connection for its next request. Called by the channel and by waitress, in any thread."""
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
        """How many connections are queued."""
        return sum(len(lane.queue) for lane in self._lanes)

    def work(self) -> bool:
        """Wake a thread of each lane that has requests, and wait until a thread is idle again, or for PATIENCE.

        It waits too if the threads of the lanes are all busy: to read one request after the other from the sockets
        would take the interpreter lock from them each time.

        Returns whether there are still requests and idle threads for them.
        """
        with self._lock:
            called = [lane.resting.pop() for lane in self._lanes if lane.queue and lane.resting]
            for thread in called:
                thread.notify()
            if self.waiting:
                self._rested.wait(PATIENCE)
            return any(lane.queue and lane.resting for lane in self._lanes)

    def shutdown(self, timeout: float) -> None:
        """End the threads, and wait for them for at most `timeout` seconds; requests that take longer are abandoned."""
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
            except BaseException:  # no thread is started for one that has ended
                log.exception("a worker thread failed")
        try:
            self._leave()
        finally:
            with self._lock:
                self._running -= 1
                self._rested.notify()

    def _wait(self, lane: Lane, call: threading.Condition) -> bool:
        """Wait until a request is queued in the lane; return False if the thread is to end."""
        with self._lock:
            while not self._stopping:
                if lane.queue:
                    return True
                lane.resting.append(call)
                self._rested.notify()
                call.wait()
            return False

    def _answer_next(self, lane: Lane) -> None:
        """Answer the next request of the lane."""
        if (channel := _next(lane)) is None:
            return
        if not channel.requests[0].error:
            self._transactions.arrived(channel.arrived)
            channel.call()
        _send([channel])

    def _answer_group(self, lane: Lane) -> None:
        """Answer the queued requests with one commit, up to the first failure. Those to be run again go to `alone`."""
        answered: list[Channel] = []
        try:
            with logs.together(), self._transactions.group() as group:
                while not group.ended and (channel := _next(lane)) is not None:
                    answered.append(channel)
                    group.run(channel)
        except BaseException:
            # Whether the transaction was committed is not known here, so no answer would be true.
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
    except IndexError:  # another thread of the lane was faster
        return None


def _send(channels: list[Channel]) -> None:
    for channel in channels:
        try:
            channel.service()
        except BaseException:
            log.exception("an answer could not be sent")
            channel.will_close = True
