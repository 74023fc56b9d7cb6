"""Signals to processes that the tests have started. Windows has only Ctrl-C, which goes to all of a console."""

import functools
import signal
import subprocess
import sys
from typing import Any

from platforms import WINDOWS

#: How a supervisor stops the service: systemd with SIGTERM, WinSW with Ctrl-C.
STOP = signal.SIGINT if WINDOWS else signal.SIGTERM

# Sends Ctrl-C as WinSW does: it detaches from its console, and attaches to that of the process whose id it reads.
_SENDER = """
import ctypes, sys
kernel32 = ctypes.windll.kernel32
kernel32.SetConsoleCtrlHandler(None, True)  # Ignore Ctrl-C.
kernel32.FreeConsole()
for line in sys.stdin:
    print(kernel32.AttachConsole(int(line)) and kernel32.GenerateConsoleCtrlEvent(0, 0), flush=True)
    kernel32.FreeConsole()
"""


def own_console() -> dict[str, Any]:
    """Return arguments of Popen for a process that can be sent a signal: on Windows it needs its own console."""
    if not WINDOWS:
        return {}
    _sender()
    return {"creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0)}


def send(process: "subprocess.Popen[Any]", signum: signal.Signals) -> None:
    """Send a signal to a process that was started with `own_console()`; on Windows it must be SIGINT."""
    if not WINDOWS:
        process.send_signal(signum)
        return
    assert signum == signal.SIGINT
    stdin, stdout = _sender()
    stdin.write(f"{process.pid}\n")
    stdin.flush()
    assert stdout.readline() == "1\n"


@functools.cache
def _sender() -> Any:
    """Return the pipes to the program that sends Ctrl-C. It is started once, because its start takes time."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SENDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    return process.stdin, process.stdout
