"""Fixtures: both databases, a service running on each, and a browser."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from playwright.sync_api import Browser

from browser import Visit, chromium
from postgresql import postgresql
from service import ROOT, Service, running
from vela import Tables

# A shell starts background processes with SIGINT ignored, and their children inherit that. Some tests send SIGINT to
# a process that they have started.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_databases = itertools.count(1)
_ids = itertools.count(1000)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a PostgreSQL server: BUILD_ADMIN_TEST_POSTGRES_URL, or that of a server started for the tests."""
    if url := os.environ.get("BUILD_ADMIN_TEST_POSTGRES_URL"):
        yield url
        return
    with postgresql() as server:
        yield server.get_uri()


@pytest.fixture(scope="session")
def new_database(postgres_url: str) -> Iterator[Any]:
    """A function that creates an empty PostgreSQL database and returns its URL. All are dropped at the end."""
    made: list[str] = []

    def make() -> str:
        name = f"build_admin_test_{os.getpid()}_{next(_databases)}"
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8'")
        made.append(name)
        parameters = psycopg.conninfo.conninfo_to_dict(postgres_url)
        user = quote(str(parameters.get("user", "")), safe="")
        password = f":{quote(str(parameters['password']), safe='')}" if parameters.get("password") else ""
        place = f"host={parameters.get('host', '')}&port={parameters.get('port', 5432)}"
        return f"postgresql://{user}{password}@/{name}?{place}"

    yield make
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for name in made:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The settings of a service on an empty store, SQLite and PostgreSQL in turn."""
    settings: dict[str, Any] = {"DATA": tmp_path_factory.mktemp(request.param)}
    if request.param == "postgresql":
        settings["DATABASE_URL"] = request.getfixturevalue("new_database")()
    return settings


@pytest.fixture(scope="session")
def service(store: dict[str, Any]) -> Iterator[Service]:
    """A service on each kind of store, shared by all tests. Tests take the ids of their builds from `new_id`."""
    with running(**store) as running_service:
        yield running_service


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def beside(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, Tables]]:
    """A service on each kind of store that also has a Vela server's tables, and those tables; shared by all tests."""
    settings: dict[str, Any] = {"DATA": tmp_path_factory.mktemp(f"beside-{request.param}")}
    if request.param == "postgresql":
        settings["DATABASE_URL"] = request.getfixturevalue("new_database")()
    tables = Tables(settings)
    tables.make()
    with running(**settings) as running_service:
        yield running_service, tables


@pytest.fixture
def new_id() -> int:
    """An id that no other test uses."""
    return next(_ids)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An empty data folder."""
    return tmp_path / "data"


@pytest.fixture(scope="session")
def single_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """build-admin.pyz, as `make dist` makes it."""
    folder = tmp_path_factory.mktemp("dist")
    make = subprocess.run(
        [sys.executable, "-m", "pip", "-q", "wheel", "--no-deps", "-w", folder, ROOT], capture_output=True, check=False
    )
    assert make.returncode == 0, make.stderr
    (wheel,) = folder.glob("*.whl")
    file = folder / "build-admin.pyz"
    subprocess.run([sys.executable, ROOT / "tools" / "make_pyz.py", wheel, file], check=True)
    return file


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The files of a self-signed certificate for localhost and of its key."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed here")
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out", files[0], "-keyout", files[1]],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return files


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser, shared by all tests."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on an SQLite store without a Vela server's tables, shared by the tests of a file."""
    with running(DATA=tmp_path_factory.mktemp("site")) as running_service:
        yield running_service


@pytest.fixture
def visits(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """A function that opens a new tab on a service's page. The test fails if anything goes wrong in it."""
    opened = []

    def visit(service: Service, **options: Any) -> Visit:
        context = browser.new_context(**options)
        opened.append((context, Visit(context, service.url)))
        return opened[-1][1]

    yield visit
    for context, visit_made in opened:
        context.close()
        assert visit_made.wrong == []
