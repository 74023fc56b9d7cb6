"""A client's commands as a person runs them: in a pipe, and at a terminal."""

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

from service import PROGRAM, START, Service, environment

#: Not by default: what would decide where a command goes, how it looks, and which editor it opens.
_UNSET = ("VELA_TOKEN", "NO_COLOR", "COLUMNS", "LINES", "VISUAL", "EDITOR", "SUDO_USER", "SSL_CERT_FILE")


def surroundings(service: "Service | None" = None, **given: Any) -> dict[str, str]:
    """Return the environment of a command that speaks to `service`; what is given is set as it is."""
    known = {"BUILD_ADMIN_URL": service.url, "BUILD_ADMIN_TOKEN": service.token} if service else {}
    clean = {name: value for name, value in environment().items() if name not in _UNSET}
    return {name: str(value) for name, value in (clean | {"TERM": "xterm"} | known | given).items()}


def command(
    *arguments: Any, service: Any = None, program: Any = PROGRAM, encoding: Any = "utf-8", **given: Any
) -> "subprocess.CompletedProcess[str]":
    """Run `build-admin` with arguments to its end, without a terminal."""
    return subprocess.run(
        [*program, *map(str, arguments)],
        env=surroundings(service, **given),
        input="",  # not the null device, which is a terminal to Windows
        capture_output=True,
        text=True,
        encoding=encoding,
        timeout=2 * START,
        check=False,
    )


class Terminal:
    """A command at a terminal of its own, `columns` wide."""

    def __init__(self, *arguments: Any, service: Service, columns: Any = 100, **given: Any) -> None:
        # Windows has none of these, and no such terminal.
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
            # What Ctrl-C interrupts is what has the terminal for its own.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.shown = ""

    def expect(self, text: str) -> None:
        """Read until `text` is shown."""
        while text not in self.shown:
            assert self._read(), f"{text!r} was never shown: {self.shown!r}"

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def end(self) -> int:
        """Read to the end, and return the exit status."""
        while self._read():
            pass
        os.close(self._master)
        return self._process.wait(30)

    def _read(self) -> bool:
        readable, _, _ = select.select([self._master], [], [], 30)
        if not readable:
            self._process.kill()
            raise AssertionError(f"nothing more was shown: {self.shown!r}")
        # At the end Linux tells the last reader of a terminal of an error.
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return False
        self.shown += data.decode().replace("\r\n", "\n")
        return bool(data)


@contextlib.contextmanager
def editor(folder: Path, *lines: str) -> Iterator[str]:
    """Give an editor: a script that has the file's path in `path` and its text in `text`, runs `lines`, and writes it.

    Each time that it is opened, what it has found goes to the next file `opened-1`, `opened-2`, …
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
    """A server that is not Build Admin, or not quite: it gives the answers that it was given, one after the other.

    Attributes:
        url: where it is.
        requests: what it was asked, each as `GET /path`.
        headers: the headers of each.
        at: the monotonic time of each.

    """

    def __init__(
        self, *answers: "tuple[int, dict[str, str], str] | float | None", certificate: "tuple[Path, Path] | None" = None
    ) -> None:
        """Give `answers`: a status, headers and a body; a number of seconds to say nothing for; None to hang up."""
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
            # The handshake is the handler's, so that one that fails ends no more than its connection.
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
    """Return an answer of JSON for a Counterpart; `Retry_After="1"` is the header Retry-After."""
    spelled = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"Content-Type": "application/json", **spelled}, json.dumps(body)
