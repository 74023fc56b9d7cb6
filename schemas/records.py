"""Records: the JSON objects of a file, an array of them or one a line, read one by one in bounded memory."""

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO

from build_admin.schemas.document import DocumentError

#: Bytes of one record, at the most; a revision of the largest build has less than half of it.
MAX_RECORD = 1024 * 1024

_CHUNK = 64 * 1024

#: What an array's items are parted by. A quotation mark that matches alone begins a string that has not come whole.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|"|[\[\]{},]', re.DOTALL)


class Records:
    """The records of a stream: iterating gives each one's number, from 1, and its text, or None if it is too long.

    The text is as it came: `schemas.document` reads it. A byte order mark and blank lines are skipped. Iterating
    raises DocumentError, after the last record, where an array does not end as it should.

    Attributes:
        noun: what a number counts: `line`, or in an array `item`.

    """

    def __init__(self, stream: BinaryIO) -> None:
        """Look at how `stream`, a buffered one, begins."""
        self._stream = stream
        self._blank_lines = 0
        head = stream.read(1)
        if head == codecs.BOM_UTF8[:1]:
            head += stream.read(2)
            head = stream.read(1) if head == codecs.BOM_UTF8 else head
        while head in (b" ", b"\t", b"\r", b"\n"):
            self._blank_lines += head == b"\n"
            head = stream.read(1)
        self._head = head
        self.noun = "item" if head == b"[" else "line"

    def __iter__(self) -> Iterator[tuple[int, bytes | None]]:
        return self._items() if self.noun == "item" else self._lines()

    def _lines(self) -> Iterator[tuple[int, bytes | None]]:
        number, line = self._blank_lines, self._head
        while line := line + self._stream.readline(MAX_RECORD + 1 - len(line)):
            number += 1
            if len(line) > MAX_RECORD:
                yield number, None
                while line and not line.endswith(b"\n"):
                    line = self._stream.readline(_CHUNK)
            elif not line.isspace():
                yield number, line
            line = b""

    def _items(self) -> Iterator[tuple[int, bytes | None]]:
        number, depth, scanned = 0, 1, 0
        buffer = b""
        while chunk := self._stream.read(_CHUNK):
            buffer += chunk
            begin = 0
            for token in _TOKEN.finditer(buffer, scanned):
                scanned = token.start()
                mark = token[0]
                if mark == b'"':
                    break
                scanned = token.end()
                depth += (mark in b"[{") - (mark in b"]}")
                if depth == 0 or (depth == 1 and mark == b","):
                    item = buffer[begin : token.start()]
                    begin = scanned
                    if depth or number or (not item.isspace() and item):
                        number += 1
                        yield number, item if len(item) <= MAX_RECORD else None
                if depth == 0:
                    self._check_end(mark, buffer[begin:])
                    return
            else:
                scanned = len(buffer)
            buffer, scanned = buffer[begin:], scanned - begin
            if len(buffer) > MAX_RECORD + _CHUNK:
                yield number + 1, None
                raise DocumentError("cannot be read after an item that is so long.")
        raise DocumentError("is an array that does not end.")

    def _check_end(self, mark: bytes, rest: bytes) -> None:
        while not rest.strip():
            rest = self._stream.read(_CHUNK)
            if not rest:
                if mark != b"]":
                    break
                return
        raise DocumentError("is an array that does not end as one.")
