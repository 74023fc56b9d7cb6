"""Faults of the database are answered with 503 within the timeout, write nothing, and need no restart."""

import contextlib
import socket
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import peewee
import psycopg
import pytest

from build_admin.models.stores.postgresql import PostgresqlDatabase
from build_admin.models.stores.store import FILE
from build_admin.models.stores.tables import absent
from platforms import needs_limits, needs_own_postgresql
from postgresql import PASSWORD, as_role, at_port, await_waiting, postgresql
from service import BUILDS, REPAIRS, Answer, Service, await_ready, build, refused, run, running
from torture_repairs import fill

THREADS = 4


def unavailable(answer: Answer) -> bool:
    """Whether a response has the form of an error of the database."""
    return answer.status == 503 and answer.headers["Retry-After"] == "1" and list(answer.json) == ["error"]


@pytest.fixture(scope="module")
def url(new_database: Any) -> str:
    """A PostgreSQL database for the tests of this file."""
    database: str = new_database()
    return database


@pytest.fixture(scope="module")
def administrator(url: str) -> Iterator[Any]:
    """A separate connection to that database."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def postgres(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on that database."""
    with running(DATA=tmp_path_factory.mktemp("faults"), DATABASE_URL=url, THREADS=THREADS) as service:
        yield service


def end_connections(administrator: Any) -> int:
    """End every connection of the service, as a restart of PostgreSQL does, and return their number."""
    ended = administrator.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'build-admin'"
        " AND datname = current_database()"
    ).fetchall()
    return len(ended)


def on_every_thread(service: Service, path: str) -> list[int]:
    """Send so many requests at once that every thread of the service answers some; return the statuses."""
    with ThreadPoolExecutor(THREADS) as pool:
        return [answer.status for answer in pool.map(service.get, [path] * (8 * THREADS))]


def test_a_connection_that_was_ended_while_idle_is_replaced_without_an_error(
    postgres: Service, administrator: Any, new_id: int
) -> None:
    postgres.create(id=new_id)
    on_every_thread(postgres, f"{BUILDS}/{new_id}")
    assert end_connections(administrator) >= 1
    assert postgres.put(build(id=new_id, title="new")).status == 200
    assert set(on_every_thread(postgres, f"{BUILDS}/{new_id}")) == {200}


def test_a_connection_that_is_ended_in_a_transaction_is_503_and_writes_nothing(
    postgres: Service, administrator: Any, url: str, new_id: int
) -> None:
    postgres.create(id=new_id)
    with psycopg.connect(url) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute("SELECT * FROM builds WHERE id = %s FOR UPDATE", (new_id,))
        answer = pool.submit(postgres.put, build(id=new_id, title="new"))
        await_waiting(url)
        end_connections(administrator)
        assert unavailable(answer.result())
    assert postgres.find(new_id)["title"] == build()["title"]
    assert postgres.put(build(id=new_id, title="newer")).status == 200


class Cutter(threading.Thread):
    """A proxy between the service and PostgreSQL that can close the connection at a COMMIT."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.target = psycopg.conninfo.conninfo_to_dict(url)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        #: Whether the next COMMIT is sent to the server before its connection is closed; None to leave it open.
        self.commit_arrives: bool | None = None
        #: Whether new connections are refused.
        self.stays_away = False
        #: Whether data from the service is discarded, so that the server does not answer.
        self.frozen = False

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                if self.stays_away:
                    client.close()
                    continue
                server = self.connect()
                threading.Thread(target=self.forward, args=(client, server), daemon=True).start()
                threading.Thread(target=self.back, args=(server, client), daemon=True).start()

    def connect(self) -> socket.socket:
        """Connect to the server, on its Unix socket where its host is a folder."""
        host, port = str(self.target["host"]), int(self.target.get("port") or 5432)
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def forward(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if self.frozen:
                    continue
                if b"COMMIT" in data and self.commit_arrives is not None:
                    client.shutdown(socket.SHUT_RDWR)
                    if self.commit_arrives:
                        server.sendall(data)
                    else:
                        server.shutdown(socket.SHUT_RDWR)
                    self.commit_arrives = None
                    return
                server.sendall(data)

    def back(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)


@pytest.fixture(scope="module")
def cut(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Cutter]]:
    """A service that connects to PostgreSQL through a Cutter."""
    cutter = Cutter(url)
    cutter.start()
    through = at_port(url, cutter.port)
    with running(DATA=tmp_path_factory.mktemp("cut"), DATABASE_URL=through, THREADS=1) as service:
        yield service, cutter
    cutter.listener.close()


def test_a_commit_whose_response_is_lost_is_recognised_as_done(cut: tuple[Service, Cutter], new_id: int) -> None:
    service, cutter = cut
    service.create(id=new_id)
    cutter.commit_arrives = True
    answer = service.put(build(id=new_id, title="new"))
    assert (answer.status, answer.json["title"]) == (200, "new")
    assert cutter.commit_arrives is None
    assert service.get(f"{BUILDS}/{new_id}").etag == answer.etag
    assert service.get(f"{BUILDS}/{new_id}/revisions").headers["X-Total-Count"] == "2"


def test_a_commit_that_does_not_reach_the_server_is_recognised_and_repeated(
    cut: tuple[Service, Cutter], new_id: int
) -> None:
    service, cutter = cut
    service.create(id=new_id)
    cutter.commit_arrives = False
    assert service.put(build(id=new_id, title="new")).status == 200
    assert service.find(new_id)["title"] == "new"
    assert [revision["revision"] for revision in service.get(f"{BUILDS}/{new_id}/revisions").json] == [2, 1]


@pytest.mark.parametrize("arrives", [True, False])
def test_a_commit_with_an_unknown_outcome_is_reported_as_unknown(
    cut: tuple[Service, Cutter], new_id: int, arrives: bool
) -> None:
    service, cutter = cut
    service.create(id=new_id)
    cutter.stays_away, cutter.commit_arrives = True, arrives
    answer = service.put(build(id=new_id, title="new"))
    assert unavailable(answer)
    assert "read the build" in answer.json["error"]
    cutter.stays_away = False
    assert service.find(new_id)["title"] == ("new" if arrives else build()["title"])


def test_a_server_that_does_not_answer_times_out(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cutter = Cutter(url)
    cutter.start()
    monkeypatch.setattr(PostgresqlDatabase, "_patience", lambda database: 1)
    database = PostgresqlDatabase(at_port(url, cutter.port))
    assert absent(database) == []
    cutter.frozen, cutter.stays_away = True, True
    with pytest.raises(peewee.OperationalError):
        absent(database)
    cutter.frozen, cutter.stays_away = False, False
    assert absent(database) == []
    cutter.listener.close()


def test_a_put_that_waits_too_long_for_a_locked_row_is_503(postgres: Service, url: str, new_id: int) -> None:
    postgres.create(id=new_id)
    with psycopg.connect(url) as holder:
        holder.execute("SELECT * FROM builds WHERE id = %s FOR UPDATE", (new_id,))
        assert unavailable(postgres.put(build(id=new_id, title="new")))
        # A read does not wait for the lock.
        assert postgres.find(new_id)["title"] == build()["title"]
    assert postgres.put(build(id=new_id, title="new")).status == 200


def test_puts_that_wait_for_a_lock_do_not_delay_reads(data: Path) -> None:
    with running(DATA=data) as service, contextlib.closing(sqlite3.connect(data / "builds.sqlite3")) as other:
        service.create(id=1)
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(3) as pool:
            writers = [pool.submit(service.put, build(id=1, title=f"{number}")) for number in range(3)]
            for _ in range(10):
                assert service.find(1)["title"] == build()["title"]
                assert service.get("/health").status == 200
            assert not any(writer.done() for writer in writers)
            other.execute("ROLLBACK")
            assert [writer.result().status for writer in writers] == [200] * 3


@pytest.mark.parametrize("when", ["TRIGGER fail BEFORE", "CONSTRAINT TRIGGER fail AFTER"])
@pytest.mark.parametrize(
    "condition", ["disk_full", "read_only_sql_transaction", "out_of_memory", "too_many_connections"]
)
def test_a_database_that_cannot_write_is_503_and_writes_nothing(
    postgres: Service, administrator: Any, new_id: int, condition: str, when: str
) -> None:
    """A deferred constraint fails at the commit."""
    postgres.create(id=new_id)
    administrator.execute(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION USING ERRCODE = '{condition}', MESSAGE = 'as if'; END $$"
    )
    deferred = "DEFERRABLE INITIALLY DEFERRED" if "AFTER" in when else ""
    administrator.execute(f"CREATE {when} INSERT ON build_revisions {deferred} FOR EACH ROW EXECUTE FUNCTION fail()")
    try:
        assert unavailable(postgres.put(build(id=new_id, title="new")))
        assert postgres.find(new_id)["title"] == build()["title"]
    finally:
        administrator.execute("DROP FUNCTION fail CASCADE")
    assert postgres.put(build(id=new_id, title="new")).status == 200
    assert postgres.get(f"{BUILDS}/{new_id}/revisions").headers["X-Total-Count"] == "2"


def test_a_read_only_database_is_503_for_writes_only(
    postgres: Service, administrator: Any, url: str, new_id: int
) -> None:
    postgres.create(id=new_id)
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    administrator.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    end_connections(administrator)
    try:
        assert unavailable(postgres.put(build(id=new_id, title="new")))
        assert postgres.find(new_id)["title"] == build()["title"]
    finally:
        administrator.execute("SET default_transaction_read_only = off")
        administrator.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    end_connections(administrator)
    assert postgres.put(build(id=new_id, title="new")).status == 200


def test_a_missing_table_is_503_until_it_exists_again(postgres: Service, administrator: Any, new_id: int) -> None:
    postgres.create(id=new_id)
    administrator.execute("ALTER TABLE builds RENAME TO elsewhere")
    assert unavailable(postgres.put(build(id=new_id, title="new")))
    assert unavailable(postgres.get(f"{BUILDS}/{new_id}"))
    administrator.execute("ALTER TABLE elsewhere RENAME TO builds")
    assert postgres.put(build(id=new_id, title="new")).status == 200


@needs_own_postgresql
def test_a_restart_of_postgresql_under_load_loses_no_acknowledged_overwrite(data: Path) -> None:
    stop = threading.Event()

    def overwrite(service: Service, build_id: int) -> tuple[int, set[int]]:
        """Overwrite a build until `stop` is set; return the last acknowledged value, and other statuses than 200."""
        acknowledged, value = 0, 0
        others: set[int] = set()
        while not stop.is_set():
            value += 1
            status = service.put(build(id=build_id, finished=value)).status
            acknowledged, others = (value, others) if status == 200 else (acknowledged, others | {status})
        return acknowledged, others

    with contextlib.ExitStack() as stack:
        server = stack.enter_context(postgresql())
        stack.callback(stop.set)
        with running(DATA=data, DATABASE_URL=server.get_uri(), THREADS=THREADS) as service:
            ids = range(1, THREADS + 1)
            for build_id in ids:
                service.create(id=build_id)
            with ThreadPoolExecutor(THREADS) as pool:
                writers = [pool.submit(overwrite, service, build_id) for build_id in ids]
                server.stop()
                assert unavailable(service.get(f"{BUILDS}/1"))
                assert service.get("/health").status == 200
                server.start()
                await_ready(service)
                stop.set()
                results = [writer.result() for writer in writers]
            assert set(on_every_thread(service, f"{BUILDS}/1")) == {200}
            for build_id, (acknowledged, others) in zip(ids, results, strict=True):
                assert others <= {503}
                assert service.find(build_id)["finished"] >= acknowledged
            assert service.put(build(id=1, title="after")).status == 200


def test_an_unreachable_database_stops_the_start_without_showing_the_password(data: Path) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    for command in ("serve", "check"):
        finished = run(command, DATA=data, DATABASE_URL=f"postgresql://me:hidden@127.0.0.1:{port}/none")
        assert finished.returncode == 1
        assert finished.stderr.splitlines()[-1].startswith("build-admin: The PostgreSQL database cannot be used")
        assert "hidden" not in finished.stderr


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("mysql://a@b/c", "must begin with postgresql://"),
        ("postgres:/a@b/c", "must begin with postgresql://"),
        ("postgres://a:b@c:d:e/f?", "is not a URL of the form"),
        ("postgresql://a:b@c:d:e/f?", "is not a URL of the form"),
        ("postgresql://a@127.0.0.1/b?sslmod=require", "BUILD_ADMIN_DATABASE_URL"),
    ],
)
def test_an_invalid_database_url_stops_the_start_with_one_line(data: Path, wrong: str, says: str) -> None:
    finished = run("check", DATA=data, DATABASE_URL=wrong)
    assert finished.returncode == 1
    assert says in finished.stderr
    assert finished.stderr.count("\n") == 1


def test_a_database_url_may_begin_with_postgres(new_database: Any, data: Path) -> None:
    checked = run("check", DATA=data, DATABASE_URL=new_database().replace("postgresql://", "postgres://"))
    assert checked.returncode == 0, checked.stderr
    assert "reachable" in checked.stdout


def test_without_psycopg_the_start_names_the_package_to_install(data: Path) -> None:
    data.mkdir()
    (data / "psycopg.py").write_text("raise ImportError", encoding="utf-8")
    finished = run("serve", DATA=data, PYTHONPATH=data, DATABASE_URL="postgresql://a@127.0.0.1/b")
    assert finished.returncode == 1
    assert "psycopg[binary]" in finished.stderr
    assert finished.stderr.count("\n") == 1


def test_a_password_may_have_any_character(new_database: Any, data: Path) -> None:
    url = new_database()
    role = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} SUPERUSER LOGIN PASSWORD '{PASSWORD}'".encode())
        with running(DATA=data, DATABASE_URL=as_role(url, str(role))) as service:
            service.create(id=1)
        connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def limit(service: Service, name: str, most: int | None) -> None:
    """Set a resource limit of the running service; None sets the hard limit."""
    import resource

    assert service.process
    which = getattr(resource, name)
    _, hard = resource.prlimit(service.process.pid, which)
    resource.prlimit(service.process.pid, which, (hard if most is None else most, hard))


@needs_limits
def test_a_full_disk_is_503_loses_nothing_and_needs_no_restart(data: Path) -> None:
    with running(DATA=data) as service:
        service.create(id=1)
        assert service.process
        size = (data / f"{FILE}-wal").stat().st_size
        limit(service, "RLIMIT_FSIZE", size)
        statuses = [service.put(build(id=1, title=f"title {number}")) for number in range(5)]
        assert all(map(unavailable, statuses))
        assert service.find(1)["title"] == build()["title"]
        limit(service, "RLIMIT_FSIZE", None)
        assert service.put(build(id=1, title="new")).status == 200
        assert service.get(f"{BUILDS}/1/revisions").headers["X-Total-Count"] == "2"
    with contextlib.closing(sqlite3.connect(data / FILE)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@needs_limits
def test_a_repair_that_fills_the_disk_is_503_and_writes_nothing(data: Path) -> None:
    fill(data, "", 2000)
    with running(DATA=data) as service:
        document = {"where": {"repo_id": 1}, "set": {"status": "error"}, "reason": "x"}
        tag = service.post(f"{REPAIRS}?dry_run=true", document).etag
        limit(service, "RLIMIT_FSIZE", (data / FILE).stat().st_size + 100_000)
        for _ in range(2):
            assert unavailable(service.post(REPAIRS, document, If_Match=tag))
        assert service.get(REPAIRS).json == []
        assert service.find(2000)["status"] == service.find(1)["status"] == "running"
        limit(service, "RLIMIT_FSIZE", None)
        assert service.post(REPAIRS, document, If_Match=tag).json["changed"] == 2000
    with contextlib.closing(sqlite3.connect(data / FILE)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_repair_of_which_a_trigger_skips_a_row_is_409_and_writes_nothing(
    postgres: Service, administrator: Any, new_id: int
) -> None:
    for number in range(3):
        postgres.create(id=new_id + 10_000 * number, repo_id=new_id, number=number + 1)
    document = {"where": {"repo_id": new_id}, "set": {"status": "error"}, "reason": "x"}
    tag = postgres.post(f"{REPAIRS}?dry_run=true", document).etag
    administrator.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RETURN CASE WHEN NEW.id = {new_id + 20_000} THEN NULL ELSE NEW END; END $$"
    )
    administrator.execute("CREATE TRIGGER refuse BEFORE UPDATE ON builds FOR EACH ROW EXECUTE FUNCTION refuse()")
    try:
        refused(postgres.post(REPAIRS, document, If_Match=tag), 409)
        assert postgres.find(new_id)["status"] == "created"
        assert postgres.get(f"{BUILDS}/{new_id}/revisions").headers["X-Total-Count"] == "1"
    finally:
        administrator.execute("DROP FUNCTION refuse CASCADE")
    assert postgres.post(REPAIRS, document, If_Match=tag).status == 201


def test_a_repair_that_waits_too_long_for_a_locked_row_is_503(postgres: Service, url: str, new_id: int) -> None:
    postgres.create(id=new_id)
    document = {"where": {"ids": [new_id]}, "set": {"status": "error"}, "reason": "x"}
    tag = postgres.post(f"{REPAIRS}?dry_run=true", document).etag
    with psycopg.connect(url) as other:
        other.execute("SELECT 1 FROM builds WHERE id = %s FOR UPDATE", (new_id,))
        assert postgres.post(f"{REPAIRS}?dry_run=true", document).status == 200
        assert unavailable(postgres.post(REPAIRS, document, If_Match=tag))
    assert postgres.post(REPAIRS, document, If_Match=tag).status == 201


@needs_limits
def test_requests_that_run_out_of_files_are_200_or_503_and_need_no_restart(data: Path) -> None:
    with running(DATA=data, THREADS=8) as service:
        service.create(id=1)
        assert service.process
        open_files = len(list(Path(f"/proc/{service.process.pid}/fd").iterdir()))
        limit(service, "RLIMIT_NOFILE", open_files + 1)
        with ThreadPoolExecutor(8) as pool:
            puts = list(pool.map(lambda number: service.put(build(id=1, title=f"t{number}")).status, range(16)))
        assert set(puts) <= {200, 503}
        limit(service, "RLIMIT_NOFILE", None)
        assert service.put(build(id=1, title="new")).status == 200
