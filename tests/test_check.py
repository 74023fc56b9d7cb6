"""The command `check`: its status is 1 where `serve` would fail, and it changes nothing."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from platforms import needs_file_modes, needs_symbolic_links
from service import PROGRAM, ROOT, run, running


def fails(command: str, **settings: Any) -> str:
    """Run a command that must fail, and return its one line on stderr."""
    # File modes do not restrict root, unless it has no capabilities.
    unprivileged = ["setpriv", "--bounding-set=-all"] if hasattr(os, "getuid") and os.getuid() == 0 else []
    done = run(*command.split(), program=[*unprivileged, *PROGRAM], **settings)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), (done.stdout, done.stderr)
    assert done.stderr.startswith("build-admin: ")
    return done.stderr


@contextlib.contextmanager
def mode(path: Path, bits: int) -> Any:
    before = path.stat().st_mode
    path.chmod(bits)
    try:
        yield
    finally:
        path.chmod(before)


COMMANDS = ["serve", "check", "export", "backup copy", "import nothing"]


@needs_file_modes
@pytest.mark.parametrize("command", COMMANDS)
def test_a_data_folder_without_permissions_is_reported(tmp_path: Path, command: str) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    with mode(closed, 0):
        fails(command, DATA=closed)
        fails(command, DATA=closed / "data")
    assert list(closed.iterdir()) == []


@needs_file_modes
@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_read_only_data_folder_file_or_key_is_reported(data: Path, command: str) -> None:
    with running(DATA=data, SIGNING_KEY=""):
        pass
    with mode(data, 0o500):
        fails(command, DATA=data)
    with mode(data / "builds.sqlite3", 0o400):
        fails(command, DATA=data)
    with mode(data / "signing.key", 0):
        assert "signing.key cannot be read" in fails(command, DATA=data, SIGNING_KEY="")
    shutil.rmtree(data)
    data.mkdir(0o500)
    fails(command, DATA=data)
    fails(command, DATA=data, SIGNING_KEY="", DATABASE_URL="")


@pytest.mark.parametrize("command", ["serve", "check"])
@needs_symbolic_links
def test_a_link_to_a_missing_file_is_reported_and_creates_no_file(data: Path, command: str) -> None:
    """The disk with a Vela server's file may not be mounted."""
    data.mkdir()
    (data / "builds.sqlite3").symlink_to(data / "vela.sqlite3")
    assert "is a link to" in fails(command, DATA=data)
    (data / "builds.sqlite3").unlink()
    (data / "signing.key").symlink_to(data / "another.key")
    assert "signing.key cannot be read" in fails(command, DATA=data, SIGNING_KEY="")
    assert not (data / "vela.sqlite3").exists()


@pytest.mark.parametrize("command", ["serve", "check"])
@needs_symbolic_links
def test_a_file_in_the_place_of_a_folder_is_reported(tmp_path: Path, command: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "builds.sqlite3").mkdir()
    for place in (tmp_path / "file", tmp_path / "file" / "data", tmp_path / "link", tmp_path):
        fails(command, DATA=place)


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_short_key_and_an_unusable_address_are_reported(data: Path, command: str) -> None:
    assert "BUILD_ADMIN_PREVIOUS_SIGNING_KEY" in fails(command, DATA=data, SIGNING_KEY="", PREVIOUS_SIGNING_KEY="short")
    assert "Cannot listen on" in fails(command, DATA=data, LISTEN="192.0.2.1:80")
    assert "Cannot listen on" in fails(command, DATA=data, LISTEN="nowhere.invalid:80")


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_role_that_may_not_create_tables_is_reported_and_check_creates_none(
    new_database: Any, data: Path, command: str
) -> None:
    url = new_database()
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(url, autocommit=True) as admin:
        made = run("check", DATA=data, DATABASE_URL=url)
        assert "will be made at the first start" in made.stdout, made.stderr
        admin.execute(f'CREATE ROLE "{name}"'.encode())
        try:
            admin.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
            admin.execute(f'ALTER DATABASE "{name}" SET role = "{name}"'.encode())
            done = run(command, DATA=data, DATABASE_URL=url)
            assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
            assert "permission denied for schema public" in done.stderr
        finally:
            admin.execute(f'ALTER DATABASE "{name}" RESET role; DROP ROLE "{name}"'.encode())
        assert admin.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'public'").fetchall() == []
    assert not data.exists()


def test_check_succeeds_while_the_service_runs(data: Path) -> None:
    with running(DATA=data) as service:
        done = run("check", DATA=data, LISTEN=f"127.0.0.1:{service.port}")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"http://127.0.0.1:{service.port}, where something listens already\n" in done.stdout


def test_token_without_a_key_names_the_folder_and_makes_no_key(data: Path) -> None:
    done = run("token", "me", DATA=data, SIGNING_KEY="")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"There is no signing key in the folder {data}; " in done.stderr
    assert not data.exists()


OLD = os.environ.get("BUILD_ADMIN_TEST_OLD_PYTHON") or next(
    (old for n in range(10, 5, -1) if (old := shutil.which(f"python3.{n}"))), ""
)


@pytest.mark.skipif(not OLD, reason="there is no Python on the path that is older than 3.11")
def test_a_python_that_is_too_old_is_reported(tmp_path: Path) -> None:
    version = subprocess.run([OLD, "--version"], capture_output=True, text=True, check=False)
    if version.returncode:
        pytest.skip("the old Python does not run")
    number = version.stdout.split()[1]
    done = subprocess.run([OLD, ROOT / "app.py", "check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1, f"build-admin: Python 3.11 or later is needed; this is {number}.\n",
    )  # fmt: skip
    done = subprocess.run(
        ["make", f"PYTHON={OLD}", f"VENV={tmp_path / 'venv'}", "run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert re.search(rf"Python 3\.11 or later is needed; .* is {re.escape(number)}\.", done.stderr)
    assert not (tmp_path / "venv").exists()


def test_check_prints_an_ipv6_address_in_brackets(data: Path) -> None:
    with contextlib.closing(socket.socket(socket.AF_INET6)) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("there is no IPv6 here")
    assert "address      http://[::1]:0\n" in run("check", DATA=data, LISTEN="[::1]:0").stdout
