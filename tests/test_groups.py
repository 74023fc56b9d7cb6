"""Requests that arrive together share a commit, and each gets the response that it would get alone."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from build_admin.models.stores.store import FILE
from service import BUILDS, Service, build, running
from sockets import connected, put, received

TRIGGERS = {
    "sqlite": """
        CREATE TRIGGER refuse BEFORE UPDATE ON builds WHEN NEW.title = 'against a rule'
        BEGIN SELECT RAISE(ABORT, 'as if'); END
        """,
    "postgresql": """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.title = 'against a rule' THEN RAISE 'as if' USING ERRCODE = 'check_violation'; END IF;
            RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE UPDATE ON builds FOR EACH ROW EXECUTE FUNCTION refuse()
        """,
}


class Store:
    """A service, its log, and a connection to its database."""

    def __init__(self, kind: str, service: Service, log: Path, database: Any) -> None:
        self.kind, self.service, self.database = kind, service, database
        self._log = log

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        cursor = self.database.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []

    def answers(self, requests: Sequence[bytes]) -> list[tuple[int, dict[str, str], bytes]]:
        """Send requests while the database is locked, so that they form one group, and return their responses."""
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(connected(self.service)) for _ in requests]
            self.execute("BEGIN IMMEDIATE" if self.kind == "sqlite" else "BEGIN; LOCK TABLE builds")
            try:
                for connection, request in zip(connections, requests, strict=True):
                    connection.sendall(request)
                    # The service reads requests in order, so it has read this one before /health.
                    assert self.service.get("/health").status == 200
            finally:
                self.execute("ROLLBACK")
            return [received(connection) for connection in connections]

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text(encoding="ascii").splitlines()]


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, data: Path) -> Iterator[Store]:
    settings: dict[str, Any] = {"DATA": data, "LOG_FORMAT": "json"}
    if request.param == "postgresql":
        settings["DATABASE_URL"] = request.getfixturevalue("new_database")()
    data.mkdir()
    file = data / "log"
    with file.open("w", encoding="ascii") as log, running(stderr=log, **settings) as service:
        opened = (
            psycopg.connect(settings["DATABASE_URL"], autocommit=True)
            if request.param == "postgresql"
            else sqlite3.connect(data / FILE, isolation_level=None)
        )
        with contextlib.closing(opened) as database:
            yield Store(request.param, service, file, database)


#: The kinds of members of a group, with the status that each gets, in a group as alone.
MEMBERS = {
    "good": 200,
    "a broken record": 200,
    "no number left for a revision": 409,
    "against a rule": 409,
    "not a build": 400,
    "not there": 404,
    "of another time": 412,
    "no token": 401,
}


@pytest.mark.parametrize("shift", range(len(MEMBERS)))
def test_each_member_of_a_group_gets_its_own_response(store: Store, shift: int) -> None:
    """Each kind comes first once, because the first failure ends a group."""
    kinds = [*MEMBERS, *MEMBERS]
    kinds = kinds[shift:] + kinds[:shift]
    requests = []
    for number, kind in enumerate(kinds, 1):
        store.service.create(id=number)
        if kind == "a broken record":
            store.execute(f"UPDATE builds SET status = 'nobody knows', repo_id = {-number} WHERE id = {number}")
        elif kind == "no number left for a revision":
            store.execute(f"UPDATE build_revisions SET revision = {2**63 - 1} WHERE build_id = {number}")
        fields: dict[str, Any] = {"id": number, "title": kind if kind == "against a rule" else f"new {number}"}
        if kind == "not a build":
            fields["status"] = "stuck"
        elif kind == "not there":
            fields |= {"id": 1000 + number}
        given = [f"X-Request-ID: of-{number}", *(['If-Match: "x"'] if kind == "of another time" else [])]
        request = put(store.service, build(**fields), *given)
        requests.append(request.replace(b"Bearer", b"Bear") if kind == "no token" else request)
    store.execute(TRIGGERS[store.kind])

    answers = store.answers(requests)

    assert [status for status, _, _ in answers] == [MEMBERS[kind] for kind in kinds]
    logged = store.logged()
    for number, (status, headers, body) in enumerate(answers, 1):
        identifier = f"of-{number}"
        assert headers["x-request-id"] == identifier
        lines = [line for line in logged if line.get("request") == identifier]
        assert [line["status"] for line in lines if line["event"] == "request"] == [status]
        written = [line["build"] for line in lines if line["event"] == "overwritten"]
        assert written == ([number] if status == 200 else [])
        if status == 200:
            assert json.loads(body)["title"] == f"new {number}"
            assert headers["etag"] == store.service.get(f"{BUILDS}/{number}").etag
        else:
            assert list(json.loads(body)) in (["error"], ["error", "fields"])
        # A request that was run again has been stored once.
        revisions = 2 if status == 200 else 1
        assert store.execute(f"SELECT count(*) FROM build_revisions WHERE build_id = {number}") == [(revisions,)]


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_a_group_is_one_transaction(store: Store) -> None:
    """SQLite does not record which transaction has written a row."""
    for number in range(1, 9):
        store.service.create(id=number)
    answers = store.answers([put(store.service, build(id=number, title="new")) for number in range(1, 9)])
    assert [status for status, _, _ in answers] == [200] * 8
    assert len(store.execute("SELECT DISTINCT xmin::text FROM build_revisions WHERE revision = 2")) == 1
