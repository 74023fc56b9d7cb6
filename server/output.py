"""Output: the unsent bytes of a connection."""

from collections import deque


class Output:
    """A queue of bytes, kept in the objects that they came in, so that connections can share an answer.

    It takes the place of waitress's OverflowableBuffer, which copies its data, and writes more than 1 MB of it to a
    temporary file. It relies on waitress 3.0.2: a channel calls only these methods, with its `outbuf_lock` held or
    while no worker thread has a request of the channel.
    """

    def __init__(self) -> None:
        self._pieces: deque[memoryview] = deque()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, data: bytes) -> None:
        """Add `data` at the end."""
        self._pieces.append(memoryview(data))
        self._length += len(data)

    def get(self, size: int) -> memoryview:
        """Return at most `size` of the first bytes, and at least one. There must be some."""
        return self._pieces[0][:size]

    def skip(self, size: int, allow_prune: bool) -> None:
        """Remove the first `size` bytes, which were sent; no more than `get` has returned."""
        self._length -= size
        if size == len(self._pieces[0]):
            self._pieces.popleft()
        else:
            rest = self._pieces[0][size:]
            # A view keeps its whole object in memory. Copy the rest once less than half is unsent.
            self._pieces[0] = memoryview(bytes(rest)) if 2 * rest.nbytes < memoryview(rest.obj).nbytes else rest

    def close(self) -> None:
        """Remove everything."""
        self._pieces.clear()
        self._length = 0
