"""Dispatcher: the threads that requests are worked on in, one at a time as long as that is fast."""

import threading
from collections.abc import Callable, Iterator

from waitress.task import ThreadedTaskDispatcher

from build_admin import logs
from build_admin.server.channel import Channel, Parser

#: Seconds for which the thread that reads from the sockets waits for those that answer.
PATIENCE = 0.01


class Dispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]
    """The threads that requests are worked on in.

    One thread works off all that has arrived, while the one that reads from the sockets waits for it, unless it takes
    longer than PATIENCE. Then that reads on, and another thread goes on with what is left. Python runs one thread at a
    time, and to hand over costs more than a request does: with a thread for each request, as waitress has it, a bare
    application answers half as many.

    Of the threads that have nothing to do, it is the one that has rested for the shortest time that is called: what
    its connection to the database has read is still true, unless another has written since.
    """

    def __init__(self, threads: int, leave: Callable[[], object]) -> None:
        """Start `threads` threads, each of which calls `leave` before it ends."""
        super().__init__()
        self._leave = leave
        self._idle = threading.Condition(self.lock)
        self._resting: list[threading.Condition] = []
        self.set_thread_count(threads)

    def add_task(self, task: Channel) -> None:
        """Queue a connection that has a request to answer."""
        self.queue.append(task)

    def work(self) -> bool:
        """Let a thread work on what is queued, and wait for it; return whether something is left."""
        with self.lock:
            if self.queue:
                self._call(1)
                self._idle.wait(PATIENCE)
            return bool(self.queue)

    def waiting(self) -> Iterator[Parser]:
        """Go through the requests that no thread works on yet, in their order; not those that are no HTTP."""
        for channel in self.queue.copy():
            # Another thread may be done by now with what was queued a moment ago.
            yield from (request for request in channel.requests[:1] if not request.error)

    def set_thread_count(self, count: int) -> None:
        """Start or stop threads until there are `count`."""
        super().set_thread_count(count)
        with self.lock:
            self._call(len(self._resting))

    def handler_thread(self, thread_no: int) -> None:
        """Answer what is queued, until `shutdown`."""
        while self._wait():
            begun: list[Channel] = []
            while (task := self._next()) is not None:
                if task.begin():
                    begun.append(task)
                else:
                    # Nobody who has shared a commit waits for one who does not.
                    self._answer(begun)
                    begun = []
                    self._answer([task])
            self._answer(begun)
        try:
            self._leave()
        finally:
            with self.lock:
                self.threads.discard(thread_no)
                self.thread_exit_cv.notify()

    def _answer(self, tasks: list[Channel]) -> None:
        with logs.together():
            for task in tasks:
                task.settle()
        for task in tasks:
            try:
                task.service()
            except BaseException:
                self.logger.exception("Exception when servicing %r", task)

    def _next(self) -> Channel | None:
        try:
            task: Channel = self.queue.popleft()
        except IndexError:
            return None
        return task

    def _call(self, count: int) -> None:
        for _ in range(min(count, len(self._resting))):
            self._resting.pop().notify()

    def _wait(self) -> bool:
        call = threading.Condition(self.lock)
        with self.lock:
            while not self.queue and self.stop_count == 0:
                self.active_count -= 1
                self._idle.notify()
                self._resting.append(call)
                call.wait()
                self.active_count += 1
            if self.stop_count > 0:
                self.active_count -= 1
                self.stop_count -= 1
                return False
        return True
