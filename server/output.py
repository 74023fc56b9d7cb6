"""Output: what is still to be sent on a connection."""

from collections import deque


class Output:
    """Bytes that are to be sent, kept as the objects that they came in, so that connections can share an answer.

    It takes the place of waitress's OverflowableBuffer, which copies what it is given, and what is above 1 MB to a
    temporary file. It relies on waitress 3.0.2: a channel calls these methods and no others, under its `outbuf_lock`
    or while no worker thread has a request of the channel.
    """

    def __init__(self) -> None:
        self._pieces: deque[memoryview] = deque()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, data: bytes) -> None:
        """Have `data` sent after what is there."""
        self._pieces.append(memoryview(data))
        self._length += len(data)

    def get(self, size: int) -> memoryview:
        """Return at most `size` of the next bytes; at least one, where there are any."""
        return self._pieces[0][:size]

    def skip(self, size: int, allow_prune: bool) -> None:
        """Forget the next `size` bytes, which were sent; no more than `get` has returned."""
        self._length -= size
        if size == len(self._pieces[0]):
            self._pieces.popleft()
        else:
            rest = self._pieces[0][size:]
            # A view keeps all of its object. So no more than twice what is unsent is held.
            self._pieces[0] = memoryview(bytes(rest)) if 2 * rest.nbytes < memoryview(rest.obj).nbytes else rest

    def close(self) -> None:
        """Forget everything."""
        self._pieces.clear()
        self._length = 0
