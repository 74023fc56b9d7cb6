"""Builds that are read in one statement for requests that have arrived together: each is answered as if alone."""

import contextlib
import http.client
import json
import logging
import socket
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import falcon.testing
import psycopg
import pytest

from build_admin.app import create_app
from build_admin.models.builds import READ_AT_ONCE, Found
from build_admin.models.stores.store import Store, open_store
from build_admin.resources.read_ahead import ARRIVED, WAITING
from build_admin.settings import Settings
from service import BUILD, BUILDS, KEY, build, running, token


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty PostgreSQL database, and an empty one for SQLite."""
    return request.getfixturevalue("new_database")() if request.param == "postgresql" else ""


@dataclass(eq=False)
class Arrived:
    """A request as the server has it before it calls the application."""

    path: str
    found: Found | None = None


class Application:
    """The application in this process, called as the server calls it."""

    def __init__(self, store: Store, data: Path) -> None:
        self.store = store
        self.statements: list[str] = []
        self._app = create_app(Settings(data=data, signing_key=KEY), store)

    def create(self, **fields: Any) -> None:
        headers = {"Authorization": f"Bearer {token()}", "If-None-Match": "*"}
        answer = falcon.testing.TestClient(self._app).simulate_put(BUILD, json=build(**fields), headers=headers)
        assert answer.status_code == 201

    def get(self, arrived: Arrived, waiting: list[Arrived], authorization: str = "") -> falcon.testing.Result:
        """Ask for what has arrived while others wait; `statements` is then what the application executed for it."""
        self.statements.clear()
        headers = {"Authorization": authorization or f"Bearer {token()}"}
        extras = {ARRIVED: arrived, WAITING: lambda: iter(waiting)}
        return falcon.testing.TestClient(self._app).simulate_get(arrived.path, headers=headers, extras=extras)


@pytest.fixture
def application(data: Path, database_url: str, caplog: pytest.LogCaptureFixture) -> Iterator[Application]:
    """The application on an empty store of each kind, whose statements are listened to."""
    with contextlib.closing(open_store(data, database_url)) as store:
        called = Application(store, data)
        handler = logging.Handler()
        handler.emit = lambda record: called.statements.append(record.getMessage())  # type: ignore[method-assign]
        logger = logging.getLogger("peewee")
        logger.addHandler(handler)
        with caplog.at_level(logging.DEBUG, "peewee"):
            yield called
        logger.removeHandler(handler)


def path(build_id: object) -> str:
    return f"{BUILDS}/{build_id}"


def test_one_statement_reads_the_builds_of_all_that_wait(application: Application) -> None:
    for build_id in (1, 2, 3):
        application.create(id=build_id, title=f"title {build_id}")
    waiting = [Arrived(path(build_id)) for build_id in (2, 3, 2, 4)]
    first = application.get(Arrived(path(1)), waiting)
    assert (first.status_code, first.json["title"]) == (200, "title 1")
    assert len(application.statements) == 1
    for build_id, arrived in zip((2, 3, 2), waiting, strict=False):
        answer = application.get(arrived, [])
        assert (answer.status_code, answer.json) == (200, build(id=build_id, title=f"title {build_id}"))
        assert application.statements == []
    absent = application.get(waiting[3], [])
    assert (absent.status_code, application.statements) == (404, [])
    assert "4" in absent.json["error"]


def test_the_build_asked_for_may_be_absent_where_others_are_not(application: Application) -> None:
    application.create(id=2)
    waiting = [Arrived(path(2))]
    assert application.get(Arrived(path(1)), waiting).status_code == 404
    assert application.get(waiting[0], []).json == build(id=2)


def test_what_asks_for_no_build_is_left_alone(application: Application) -> None:
    application.create(id=1)
    no_builds = [path(text) for text in ("queue", "01", "9" * 30, "1/revisions", "")]
    waiting = [Arrived(other) for other in ("/health", BUILD, BUILDS, "", "*", *no_builds)]
    assert application.get(Arrived(path(1)), waiting).status_code == 200
    assert not any(arrived.found for arrived in waiting)
    assert len(application.statements) == 1


def test_no_more_is_read_than_a_statement_is_made_for(application: Application) -> None:
    for build_id in (1, 2, 50):
        application.create(id=build_id)
    waiting = [Arrived(path(build_id)) for build_id in range(2, 200)]
    assert application.get(Arrived(path(1)), waiting).json == build(id=1)
    assert [arrived for arrived in waiting if arrived.found] == waiting[: READ_AT_ONCE - 1]
    assert application.get(waiting[0], []).json == build(id=2)
    assert application.get(waiting[48], waiting[49:]).json == build(id=50)


def test_a_build_that_cannot_be_read_keeps_no_other_from_being_read(application: Application) -> None:
    for build_id in (1, 2):
        application.create(id=build_id)
    application.store.database.execute_sql("UPDATE builds SET deploy_payload = '[1]' WHERE id = 2")
    waiting = [Arrived(path(2))]
    assert application.get(Arrived(path(1)), waiting).json == build(id=1)
    assert application.get(waiting[0], []).status_code == application.get(Arrived(path(2)), []).status_code >= 500
    waiting = [Arrived(path(1))]
    assert application.get(Arrived(path(2)), waiting).status_code >= 500
    assert application.get(waiting[0], []).json == build(id=1)


def test_who_is_refused_reads_for_nobody(application: Application) -> None:
    application.create(id=1)
    waiting = [Arrived(path(1))]
    assert application.get(Arrived(path(1)), waiting, authorization="Bearer no.such.token").status_code == 401
    assert (application.statements, waiting[0].found) == ([], None)


@contextlib.contextmanager
def locked(data: Path, database_url: str, build_id: int) -> Iterator[None]:
    """Keep a build from being overwritten for as long as the block lasts."""
    if database_url:
        with psycopg.connect(database_url) as connection:
            connection.execute("SELECT id FROM builds WHERE id = %s FOR UPDATE", (build_id,))
            yield
    else:
        with contextlib.closing(sqlite3.connect(data / "builds.sqlite3", isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield


def test_all_that_wait_for_the_only_thread_are_answered_each_its_own(data: Path, database_url: str) -> None:
    with running(DATA=data, DATABASE_URL=database_url, THREADS=1) as service, contextlib.ExitStack() as stack:
        tags = {number: service.put(build(id=number), If_None_Match="*").etag for number in range(1, 41)}

        def send(method: str, target: str, body: bytes | None = None, **headers: str) -> http.client.HTTPConnection:
            connection = http.client.HTTPConnection(service.host, service.port, timeout=30)
            stack.enter_context(contextlib.closing(connection))
            given = {"Authorization": f"Bearer {service.token}", "Content-Type": "application/json"} | headers
            connection.request(method, target, body, given)
            return connection

        with locked(data, database_url, 1):
            overwrite = send("PUT", BUILD, json.dumps(build(id=1, title="new")).encode())
            sent: list[tuple[int, int | None, http.client.HTTPConnection]]
            sent = [(200, number, send("GET", path(number))) for number in range(2, 21)]
            no_http = stack.enter_context(socket.create_connection((service.host, service.port), 30))
            no_http.sendall(b"NONSENSE\r\n\r\n")
            sent += [(200, number, send("GET", path(number))) for number in range(21, 41)]
            sent += [
                (404, None, send("GET", path(77))),
                (401, None, send("GET", path(2), Authorization="")),
                (304, 2, send("GET", path(2), **{"If-None-Match": tags[2]})),
                (412, None, send("GET", path(2), **{"If-Match": tags[3]})),
                (405, None, send("DELETE", path(3))),
                (400, None, send("GET", path(4) + "?x=1")),
                (200, 4, send("HEAD", path(4))),
            ]
        assert overwrite.getresponse().status == 200
        for status, number, connection in sent:
            answer = connection.getresponse()
            assert answer.status == status
            if number:
                assert answer.headers["ETag"] == tags[number]
            answer.read()
        assert no_http.recv(100).startswith(b"HTTP/1.0 400 ")
        assert service.find(1)["title"] == "new"
