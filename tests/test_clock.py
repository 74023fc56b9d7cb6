"""Timeouts and stops still work when the wall clock is set back while the service runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service import PROGRAM, Service, running
from signals import STOP, send
from sockets import HEALTH, connected, received

#: Sets the wall clock of the process that imports it back by a day, once a file exists.
_BACK = """
import os, time
now = time.time
time.time = lambda: now() - 86400 * os.path.exists({file!r})
"""


@pytest.fixture
def set_back(data: Path, tmp_path: Path) -> Iterator[Service]:
    """A service with short timeouts, whose clock is set back by a day after its first response."""
    file = tmp_path / "back"
    (tmp_path / "sitecustomize.py").write_text(_BACK.format(file=str(file)), encoding="utf-8")
    settings = {"REQUEST_TIMEOUT": 1, "IDLE_TIMEOUT": 1, "GRACE": 1}
    with running(DATA=data, PYTHONPATH=tmp_path, program=PROGRAM, **settings) as service:
        before = service.get("/health").headers["Date"]
        file.touch()
        assert service.get("/health").headers["Date"][:16] != before[:16]
        yield service


def test_idle_connections_and_incomplete_requests_time_out(set_back: Service) -> None:
    with connected(set_back) as idle, connected(set_back) as half:
        idle.sendall(HEALTH)
        assert received(idle)[0] == 200
        half.sendall(HEALTH[:-2])
        assert received(half)[0] == 408
        assert idle.recv(1) == b""


def test_the_deadline_of_a_stop_passes(set_back: Service) -> None:
    with connected(set_back) as half:
        half.sendall(HEALTH[:-2])
        assert set_back.get("/health").status == 200
        assert set_back.process
        send(set_back.process, STOP)
        assert set_back.process.wait(10) == 0
