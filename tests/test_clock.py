"""The wall clock is set back or forward while the service runs."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service import BUILDS, PROGRAM, Service, running
from signals import STOP, send
from sockets import HEALTH, connected, received

DAY = 86_400

#: Sets the wall clock of the process that imports it by some seconds, once a file exists.
_SET = """
import os, time
now = time.time
time.time = lambda: now() + {seconds} * os.path.exists({file!r})
"""


@contextlib.contextmanager
def with_clock(seconds: int, folder: Path, **settings: int) -> Iterator[tuple[Service, Callable[[], None]]]:
    """Run a service, and yield it with a function that sets its clock by some seconds."""
    file = folder / "set"
    (folder / "sitecustomize.py").write_text(_SET.format(seconds=seconds, file=str(file)), encoding="utf-8")
    with running(DATA=folder / "data", PYTHONPATH=folder, program=PROGRAM, **settings) as service:

        def set_clock() -> None:
            before = service.get("/health").headers["Date"]
            file.touch()
            assert service.get("/health").headers["Date"][:16] != before[:16]

        yield service, set_clock


@pytest.fixture
def set_back(tmp_path: Path) -> Iterator[Service]:
    """A service with short timeouts, whose clock was set back by a day."""
    with with_clock(-DAY, tmp_path, REQUEST_TIMEOUT=1, IDLE_TIMEOUT=1, GRACE=1) as (service, set_clock):
        set_clock()
        yield service


def test_a_token_that_was_accepted_is_refused_after_it_expires(tmp_path: Path) -> None:
    with with_clock(DAY, tmp_path) as (service, set_clock):
        assert service.get(BUILDS).status == 200
        set_clock()
        answer = service.get(BUILDS)
        assert (answer.status, answer.json["error"][:22]) == (401, "The token has expired;")


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
