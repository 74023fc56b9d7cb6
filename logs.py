"""Logs: one line for each event on stderr, as text or as JSON.

An event is a logging record with a name as its message, and `fields`. What a client has sent is escaped, so that every
line is one line of printable ASCII.
"""

import json
import logging
import os
import re
import select
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import lru_cache
from typing import Any

#: Maximum length of a logged value in characters.
MAX_VALUE = 200

#: Milliseconds to wait for a stderr that accepts nothing: a pipe whose reader hangs, or a terminal after Ctrl-S. Then
#: lines are lost until it accepts them again.
PATIENCE = 1000

#: Bytes that a pipe accepts without blocking if it is ready.
_AT_ONCE = getattr(select, "PIPE_BUF", 4096)

_PLAIN = re.compile(rf"[A-Za-z0-9._:/@+,*-]{{1,{MAX_VALUE}}}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id(given: str | None) -> str:
    """Return the id of a request with the X-Request-ID `given`: that one if it is valid, else a new one."""
    return given if given and _REQUEST_ID.fullmatch(given) else os.urandom(16).hex()


def event(log: logging.Logger, level: int, name: str, **fields: Any) -> None:
    """Log an event with its fields: strings and numbers; one that is None is left out."""
    if log.isEnabledFor(level):
        # `log.log` would look up its caller, which is not logged.
        log.handle(log.makeRecord(log.name, level, "", 0, name, (), None, extra={"fields": fields}))


class TextFormatter(logging.Formatter):
    """`2026-01-31T23:59:59Z INFO request method=GET path=/health status=200 …`; a value is quoted where it must be."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = "".join(f" {name}={_plain(value)}" for name, value in _fields(record).items() if value is not None)
        return f"{_time(record)} {record.levelname} {_message(record)}{fields}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        values = {name: _short(value) for name, value in _fields(record).items() if value is not None}
        return json.dumps({"time": _time(record), "level": record.levelname, "event": _message(record)} | values)


FORMATTERS = {"text": TextFormatter, "json": JsonFormatter}


class _Thread(threading.local):
    """The lines that a thread has logged in a block `together`; None outside such a block."""

    lines: list[str] | None = None


class Handler(logging.Handler):
    """Writes each line to stderr at once, except those of a block `together`, which are written at its end.

    A line that cannot be written (full disk, closed pipe, a reader that hangs) is lost. The caller continues: a request
    must not fail because of its log line, nor wait for it longer than PATIENCE.
    """

    def __init__(self) -> None:
        """Write to the process's stderr."""
        super().__init__()
        self._stderr = sys.stderr.fileno()
        self._accepted = True
        # Windows has no poll.
        self._poll = select.poll() if hasattr(select, "poll") else None
        if self._poll:
            self._poll.register(self._stderr, select.POLLOUT)
        self._thread = _Thread()

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record's line, or keep it for the end of the block."""
        try:
            line = self.format(record) + "\n"
        except Exception:  # as every handler of logging does
            self.handleError(record)
            return
        if self._thread.lines is None:
            self._write(line)
        else:
            self._thread.lines.append(line)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write the lines that this thread logs in this block when it ends, in one system call."""
        lines: list[str] = []
        self._thread.lines = lines
        try:
            yield
        finally:
            self._thread.lines = None
            if lines:
                self._write("".join(lines))

    def _write(self, text: str) -> None:
        # Not sys.stderr: its buffer keeps what could not be written, and every later write raises again.
        rest = text.encode("ascii", "backslashreplace")
        self.acquire()
        try:
            with suppress(OSError):
                while rest and self._accepts():
                    # Whole lines, if possible.
                    end = rest.rfind(b"\n", 0, _AT_ONCE) + 1 or _AT_ONCE
                    rest = rest[os.write(self._stderr, rest[:end]) :]
        finally:
            self.release()

    def _accepts(self) -> bool:
        if self._poll:
            self._accepted = bool(self._poll.poll(PATIENCE if self._accepted else 0))
        return self._accepted


def together() -> AbstractContextManager[None]:
    """Return a context manager whose lines are written in one system call, if this module's handler is set up."""
    found = [handler for handler in logging.getLogger().handlers if isinstance(handler, Handler)]
    return found[0].together() if found else nullcontext()


def set_up(style: str, level: str) -> None:
    """Log to stderr in a style (`text` or `json`), from a level up."""
    handler = Handler()
    handler.setFormatter(FORMATTERS[style]())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.raiseExceptions = False  # no traceback for a record that cannot be formatted
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # they cost time and are not logged
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queue is normal under load


def _time(record: logging.LogRecord) -> str:
    return f"{_second(int(record.created))}.{record.msecs:03.0f}Z"


@lru_cache(1)
def _second(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    fields: dict[str, Any] = getattr(record, "fields", {})
    if record.exc_info and record.exc_info[1]:
        fields = fields | {"error": repr(record.exc_info[1]), "at": _where(record.exc_info[1])}
    return fields


def _where(error: BaseException) -> str:
    """Return the frames of an error's traceback in one line, without values, which may be secrets."""
    steps = []
    step = error.__traceback__
    while step:
        code = step.tb_frame.f_code
        steps.append(f"{code.co_filename.replace(chr(92), '/').rpartition('/')[2]}:{step.tb_lineno}")
        step = step.tb_next
    return ",".join(steps[-12:])


def _message(record: logging.LogRecord) -> str:
    message = record.getMessage()
    return message if _PLAIN.fullmatch(message) else json.dumps(message[:1000])[1:-1]


def _short(value: Any) -> Any:
    return value[: MAX_VALUE - 1] + "…" if isinstance(value, str) and len(value) > MAX_VALUE else value


def _plain(value: Any) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(_short(text))
