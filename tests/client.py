"""Runs the client commands in a pipe, at a terminal, with an editor, and against a server that is not the service."""

import contextlib
import http.server
import json
import os
import select
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from service import PROGRAM, START, Service, environment, hyphenated

#: Variables of the tests' own environment that would change what a command does.
_UNSET = ("VELA_TOKEN", "NO_COLOR", "COLUMNS", "LINES", "VISUAL", "EDITOR", "SUDO_USER", "SSL_CERT_FILE")


def surroundings(service: "Service | None" = None, **given: Any) -> dict[str, str]:
    """Return the environment of a command that connects to `service`, with the given variables."""
    known = {"BUILD_ADMIN_URL": service.url, "BUILD_ADMIN_TOKEN": service.token} if service else {}
    clean = {name: value for name, value in environment().items() if name not in _UNSET}
    return {name: str(value) for name, value in (clean | {"TERM": "xterm"} | known | given).items()}


def command(
    *arguments: Any, service: Any = None, program: Any = PROGRAM, encoding: Any = "utf-8", **given: Any
) -> "subprocess.CompletedProcess[str]":
    """Run `build-admin` with arguments and without a terminal, and wait for it."""
    return subprocess.run(
        [*program, *map(str, arguments)],
        env=surroundings(service, **given),
        input="",  # not the null device, for which isatty() is true on Windows
        capture_output=True,
        text=True,
        encoding=encoding,
        timeout=2 * START,
        check=False,
    )


class Terminal:
    """A command at a new pseudo-terminal that is `columns` wide."""

    def __init__(self, *arguments: Any, service: Service, columns: Any = 100, **given: Any) -> None:
        # Windows has none of these modules, and no pseudo-terminals.
        import fcntl
        import struct
        import termios

        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self._process = subprocess.Popen(
            [*PROGRAM, *map(str, arguments)],
            env=surroundings(service, **given),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            # Ctrl-C sends SIGINT to the processes whose controlling terminal this is.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.shown = ""

    def expect(self, text: str) -> None:
        """Read until the terminal shows `text`."""
        while text not in self.shown:
            assert self._read(), f"{text!r} was never shown: {self.shown!r}"

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def end(self) -> int:
        """Read to the end, and return the exit status of the command."""
        while self._read():
            pass
        os.close(self._master)
        return self._process.wait(30)

    def _read(self) -> bool:
        readable, _, _ = select.select([self._master], [], [], 30)
        if not readable:
            self._process.kill()
            raise AssertionError(f"nothing more was shown: {self.shown!r}")
        # When the other end is closed, Linux raises EIO in place of an end of file.
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return False
        self.shown += data.decode().replace("\r\n", "\n")
        return bool(data)


@contextlib.contextmanager
def editor(folder: Path, *lines: str) -> Iterator[str]:
    """Yield the command of an editor, a script which reads the file `path` to `text`, runs `lines`, and writes `text`.

    Each time it is started, it also writes the text that it has read to the next of the files `opened-1`, `opened-2`, …
    """
    script = folder / "editor.py"
    script.write_text(
        "\n".join(
            [
                "import pathlib, re, sys, os",
                "path = pathlib.Path(sys.argv[-1])",
                "text = path.read_text(encoding='utf-8', errors='replace')",
                f"folder = pathlib.Path({str(folder)!r})",
                "time = len(list(folder.glob('opened-*'))) + 1",
                "(folder / f'opened-{time}').write_text(text, encoding='utf-8')",
                *lines,
                "path.write_text(text, encoding='utf-8')",
            ]
        ),
        encoding="utf-8",
    )
    yield f"{sys.executable} {script}"


class Counterpart:
    """A server other than Build Admin, which sends prepared answers, one after the other.

    Attributes:
        url: its address.
        requests: the requests that it has received, each as `GET /path`.
        headers: the headers of each request.
        at: the monotonic time of each request.

    """

    def __init__(
        self, *answers: "tuple[int, dict[str, str], str] | float | None", certificate: "tuple[Path, Path] | None" = None
    ) -> None:
        """Send `answers`: a status, headers and a body; or a number of seconds to wait and None to close at once."""
        self.requests: list[str] = []
        self.headers: list[Any] = []
        self.at: list[float] = []
        self._answers = list(answers)
        counterpart = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                super().handle_one_request()
                self.close_connection = True

            def do_GET(self) -> None:
                counterpart.answer(self)

            do_PUT = do_POST = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            # Leave the handshake to the handler, so that a failed handshake ends only its own connection.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self.url = f"https://localhost:{self._server.server_port}"

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        self.requests.append(f"{handler.command} {handler.path}")
        self.headers.append(handler.headers)
        self.at.append(time.monotonic())
        answer = self._answers.pop(0)
        if isinstance(answer, tuple):
            status, headers, body = answer
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(body.encode())))
            handler.end_headers()
            handler.wfile.write(body.encode())
        elif answer is not None:
            time.sleep(answer)

    def __enter__(self) -> "Counterpart":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()


def answer(body: Any, status: int = 200, **headers: str) -> tuple[int, dict[str, str], str]:
    """Return a JSON answer for a Counterpart. `Retry_After="1"` is the header Retry-After."""
    return status, {"Content-Type": "application/json", **hyphenated(headers)}, json.dumps(body)
