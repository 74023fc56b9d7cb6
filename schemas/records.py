"""Records: the JSON objects of a file, read one by one in bounded memory.

They are an array, or one a line, or each on many lines, as the service answers a build.
"""

import codecs
import re
from collections.abc import Iterator
from io import BufferedReader

from build_admin.schemas.document import DocumentError

#: Bytes of one record, at the most; a revision of the largest build has less than half of it.
MAX_RECORD = 1024 * 1024

_CHUNK = 64 * 1024

_SPACE = b" \t\r\n"

#: The tokens that delimit an array's items. A quotation mark alone begins a string whose end is not read yet.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|"|[\[\]{},]', re.DOTALL)


class Records:
    """The records of a stream: iterating gives each one's number, from 1, and its text, or None if it is too long.

    The text is not decoded; `schemas.document` does that. A byte order mark and blank lines are skipped. Iterating
    raises DocumentError, after the last record, where an array does not end as it should.

    Attributes:
        noun: what a number counts: `line`, or in an array `item`.

    """

    def __init__(self, stream: BufferedReader) -> None:
        """Read the beginning of `stream`, which tells an array from lines."""
        self._stream = stream
        self._blank_lines = 0
        head = stream.read(1)
        if head == codecs.BOM_UTF8[:1]:
            head += stream.read(2)
            head = stream.read(1) if head == codecs.BOM_UTF8 else head
        while head and head in _SPACE:
            buffered = stream.peek()
            blank = head + stream.read(len(buffered) - len(buffered.lstrip(_SPACE)))
            self._blank_lines += blank.count(b"\n")
            head = stream.read(1)
        self._head = head
        self.noun = "item" if head == b"[" else "line"

    def __iter__(self) -> Iterator[tuple[int, bytes | None]]:
        if self._head in (b"\xff", b"\xfe"):
            raise DocumentError("is not UTF-8 but UTF-16, as PowerShell writes what it redirects; save it as UTF-8.")
        if self.noun == "item":
            yield from self._items()
            return
        line = self._head + self._stream.readline(MAX_RECORD)
        yield from self._objects(line) if line.strip() == b"{" else self._lines(line)

    def _objects(self, line: bytes) -> Iterator[tuple[int, bytes | None]]:
        """Yield objects of several lines, of which `line` is the first. An object ends where its brackets do."""
        number = first = self._blank_lines
        depth, text = 0, bytearray()
        while line:
            number += 1
            first = first if text else number
            text += line
            depth += sum((mark[0] in b"[{") - (mark[0] in b"]}") for mark in _TOKEN.finditer(line))
            if len(text) > MAX_RECORD:
                yield first, None
                raise DocumentError("cannot be read, after a build that is so long.")
            if depth <= 0:
                if text.strip():
                    yield first, bytes(text)
                depth, text = 0, bytearray()
            line = self._stream.readline(MAX_RECORD)
        if text:
            yield first, bytes(text)

    def _lines(self, line: bytes) -> Iterator[tuple[int, bytes | None]]:
        """Yield the lines that are not blank, of which `line` is the first."""
        number = self._blank_lines
        while line:
            number += 1
            if len(line) > MAX_RECORD:
                yield number, None
                while line and not line.endswith(b"\n"):
                    line = self._stream.readline(_CHUNK)
            elif not line.isspace():
                yield number, line
            line = self._stream.readline(MAX_RECORD + 1)

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
                raise DocumentError("cannot be read, after an item that is so long.")
        raise DocumentError("is not there or not whole, and the array does not end; is the file cut off?")

    def _check_end(self, mark: bytes, rest: bytes) -> None:
        while not rest.strip():
            rest = self._stream.read(_CHUNK)
            if not rest:
                if mark != b"]":
                    break
                return
        raise DocumentError("is not an item of the array any more; a file has one array, and nothing after it.")
