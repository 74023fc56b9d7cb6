"""Logs, readiness and metrics of the running service."""

import contextlib
import json
import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import psycopg
import pytest

from build_admin.models.stores.store import FILE
from platforms import needs_open_files_to_move
from service import BUILDS, REPAIRS, Service, build, environment, refused, run, running, token
from sockets import HEALTH, answer_to, connected, received


class Seen:
    """A service whose log is kept in a file."""

    def __init__(self, service: Service, file: Path) -> None:
        self.service, self.file = service, file

    def lines(self) -> list[str]:
        return self.file.read_text(encoding="ascii").splitlines()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines()]


@contextlib.contextmanager
def seen(data: Path, **settings: Any) -> Iterator[Seen]:
    data.mkdir(parents=True, exist_ok=True)
    file = data / "log"
    with file.open("w", encoding="ascii") as log, running(DATA=data, stderr=log, **settings) as service:
        yield Seen(service, file)


def test_each_request_is_one_log_line(data: Path) -> None:
    with seen(data) as log:
        log.service.get("/health", Authorization=None, X_Request_ID="mine")
        line = log.lines()[-1]
    assert re.fullmatch(
        r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO request method=GET path=/health status=200 ms=[\d.]+ "
        r"client=127\.0\.0\.1 request=mine",
        line,
    )


def test_an_overwrite_is_one_more_log_line_unless_it_changes_nothing(data: Path) -> None:
    with seen(data, LOG_FORMAT="json") as log:
        log.service.create(id=1)
        log.service.put(build(id=1, status="error", title="new"), X_Request_ID="mine")
        log.service.put(build(id=1, status="error", title="new"))
        log.service.put(build(id=1), "?dry_run=true")
        events = log.events()
    assert [event["event"] for event in events] == ["created", "request", "overwritten", *["request"] * 3]
    audit = events[2]
    assert {name: audit[name] for name in ("build", "revision", "subject", "changed", "request")} == {
        "build": 1,
        "revision": 2,
        "subject": "octokitty",
        "changed": "status,title",
        "request": "mine",
    }
    assert events[3]["subject"] == "octokitty"


@pytest.mark.parametrize(
    ("proxy", "client"), [("127.0.0.1", "203.0.113.9"), ("127.0.0.2", "127.0.0.1"), ("", "127.0.0.1")]
)
def test_x_forwarded_for_is_used_only_from_the_trusted_proxy(data: Path, proxy: str, client: str) -> None:
    with seen(data, LOG_FORMAT="json", TRUSTED_PROXY=proxy) as log:
        log.service.get("/health", X_Forwarded_For="198.51.100.7, 203.0.113.9")
        assert log.events()[-1]["client"] == client


def test_no_secret_is_logged(data: Path) -> None:
    other = token("another key, which this service does not know")
    with seen(data, LOG_LEVEL="DEBUG") as log:
        log.service.get(f"{BUILDS}?access_token={log.service.token}")
        log.service.get(BUILDS, Authorization=f"Bearer {other}")
        log.service.put(build(id=1), Cookie=f"token={other}", X_Request_ID=other)
        text = "\n".join(log.lines())
        for secret in (log.service.token, other, environment()["BUILD_ADMIN_SIGNING_KEY"]):
            assert secret not in text
            assert secret.rpartition(".")[2] not in text
    assert "refused=signature" in text


@pytest.mark.parametrize("style", ["text", "json"])
def test_line_ends_and_control_characters_of_a_client_are_escaped_in_the_log(data: Path, style: str) -> None:
    with seen(data, LOG_FORMAT=style) as log:
        log.service.get("/%0A2026-01-01%20INFO%20forged%1B%5B31m%E2%80%AE%FF" + "x" * 5000, Authorization=None)
        log.service.token = token(sub="octo\nkitty \x1b[31m")
        log.service.get(BUILDS)
        lines = log.lines()
    assert len(lines) == 2
    assert max(map(len, lines)) < 700
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:a%20very%20secret@127.0.0.1:1/none",
        "postgresql://me:a@very@127.0.0.1:1/none",
        "postgresql://me:very/a@127.0.0.1:1/none",
        "postgresql://localhost:1/very@127.0.0.1:1/none",
        "postgresql://me@127.0.0.1:1/none?password=a@very",
        "postgres:me:very@127.0.0.1:1/none",
    ],
)
def test_a_database_password_is_never_shown(data: Path, url: str) -> None:
    finished = run("check", DATA=data, DATABASE_URL=url)
    assert finished.returncode == 1
    assert "very" not in finished.stdout + finished.stderr


def test_the_service_is_not_ready_while_a_table_is_missing(data: Path) -> None:
    with running(DATA=data) as service:
        ready = service.get("/ready", Authorization=None)
        assert (ready.status, ready.json) == (200, {"ready": True})
        with contextlib.closing(sqlite3.connect(data / FILE)) as database:
            database.execute("ALTER TABLE build_revisions RENAME TO elsewhere")
        without = service.get("/ready", Authorization=None)
        assert without.status == 503
        assert "build_revisions" in without.json["error"]
        assert without.headers["Retry-After"]
        assert service.put(build(id=1), If_None_Match="*").status == 503
        with contextlib.closing(sqlite3.connect(data / FILE)) as database:
            database.execute("ALTER TABLE elsewhere RENAME TO build_revisions")
        assert service.get("/ready", Authorization=None).status == 200
        service.create(id=1)


@needs_open_files_to_move
def test_the_service_is_not_ready_while_its_database_file_is_moved_away(data: Path) -> None:
    with running(DATA=data) as service:
        service.create(id=1)
        (data / FILE).rename(data / "elsewhere")
        assert service.get("/ready", Authorization=None).status == 503
        refused = service.put(build(id=1, title="new"))
        assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
        assert service.get("/health", Authorization=None).status == 200
        assert not (data / FILE).exists()
        (data / "elsewhere").rename(data / FILE)
        assert service.get("/ready", Authorization=None).status == 200
        assert service.put(build(id=1, title="new")).status == 200


def test_the_service_is_not_ready_while_postgresql_refuses_connections(
    new_database: Any, postgres_url: str, data: Path
) -> None:
    url = new_database()
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with running(DATA=data, DATABASE_URL=url) as service:
        assert service.get("/ready", Authorization=None).status == 200
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
            assert service.get("/ready", Authorization=None).status == 503
            refused = service.put(build(id=1), If_None_Match="*")
            assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        assert service.get("/ready", Authorization=None).status == 200
        assert service.put(build(id=1), If_None_Match="*").status == 201


def samples(service: Service) -> dict[str, float]:
    """Return the metrics by their names with labels."""
    answer = service.get("/metrics", Authorization=None)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    lines = [line for line in answer.body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_metrics_count_requests_and_overwrites_by_result(data: Path) -> None:
    with running(DATA=data, THREADS=3) as service:
        service.create(id=1)
        service.put(build(id=1, title="new"))
        service.put(build(id=1, title="new"))
        service.put(build(id=1), "?dry_run=true")
        service.put(build(id=1, status="stuck"))
        service.put(build(id=2))
        service.put(build(id=1), If_None_Match="*")
        service.get(BUILDS, Authorization=None)
        seen = samples(service)
    results = {"created": 1, "changed": 1, "unchanged": 1, "dry_run": 1, "invalid": 1, "not_found": 1}
    for result, count in {**results, "precondition_failed": 1}.items():
        assert seen[f'build_admin_overwrites_total{{result="{result}"}}'] == count, result
    assert seen['build_admin_tokens_refused_total{reason="missing"}'] == 1
    put = 'build_admin_requests_total{method="PUT",route="/api/v1/admin/build",status="200"}'
    assert seen[put] == 3
    assert seen['build_admin_request_seconds_count{route="/api/v1/admin/build"}'] == 7
    assert seen["build_admin_threads"] == 3
    assert 1 <= seen["build_admin_database_connections"] <= 4
    assert seen["build_admin_requests_in_progress"] == 1


def test_the_number_of_labels_is_bounded_whatever_clients_send(data: Path) -> None:
    with running(DATA=data) as service:
        service.get("/health", Authorization=None)
        service.request("BREW", "/nothing", headers={"Authorization": None})
        before = len(samples(service))
        for number in range(30):
            service.request(f"BREW{number}", f"/nothing/{number}", headers={"Authorization": None})
            service.get(f"{BUILDS}/{number + 1}", Authorization=None)
        assert len(samples(service)) <= before + 30


def test_without_prometheus_client_metrics_are_404_and_the_service_works(data: Path) -> None:
    data.mkdir()
    blocked = data / "prometheus_client.py"
    blocked.write_text("raise ImportError", encoding="utf-8")
    with running(DATA=data, PYTHONPATH=data) as service:
        answer = service.get("/metrics", Authorization=None)
        assert answer.status == 404
        assert "pip install prometheus-client" in answer.json["error"]
        service.create(id=1)


def test_a_repair_is_one_log_line_and_is_counted(data: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("w") as stderr, running(DATA=data, LOG_FORMAT="json", stderr=stderr) as service:
        for build_id in (1, 2, 3):
            service.create(id=build_id)
        made = service.repair({"ids": [1, 3]}, {"status": "error", "finished": 5}).json
        service.repair({"ids": [1, 3]}, {"status": "error"})
        service.post(REPAIRS, {"where": {"number": 1}, "set": {"status": "error"}, "reason": "x"})
        service.post(REPAIRS, {})
        service.undo(made["repair"])
        service.post(f"{BUILDS}/1/revisions/2/undo", If_Match=service.get(f"{BUILDS}/1").etag)
        service.put(build(id=1, status="error"))
        service.post(f"{BUILDS}/1/revisions/4/undo", If_Match="*")
        seen = samples(service)
    events = [json.loads(line) for line in log.read_text().splitlines()]
    first, second = (event for event in events if event["event"] == "repaired")
    assert first.pop("time") <= second.pop("time")
    assert first == {
        "level": "INFO", "event": "repaired", "repair": 1, "builds": 2, "subject": "octokitty",
        "changed": "status,finished", "reason": "OPS-17", "request": made["request_id"],
    }  # fmt: skip
    assert (second["undoes"], second["builds"], "changed" in second) == (1, 2, False)
    assert sum(event["event"] == "overwritten" for event in events) == 2
    results = {"repaired": 1, "undone": 1, "dry_run": 2, "unchanged": 2, "precondition_required": 1, "invalid": 1}
    for result, count in results.items():
        assert seen[f'build_admin_repairs_total{{result="{result}"}}'] == count, result
    assert seen['build_admin_repaired_builds_total{result="repaired"}'] == 2
    assert seen['build_admin_repaired_builds_total{result="undone"}'] == 2
    assert seen['build_admin_overwrites_total{result="changed"}'] == 2


@pytest.mark.parametrize(
    ("given", "client"),
    [
        ("2001:DB8::9", "2001:db8::9"),
        ("[2001:db8::9]:443", "2001:db8::9"),
        ('"[2001:db8::9]"', "2001:db8::9"),
        ("nobody, 203.0.113.9:1234", "203.0.113.9"),
    ],
)
def test_the_last_address_of_x_forwarded_for_is_logged_without_its_port(data: Path, given: str, client: str) -> None:
    with seen(data, LOG_FORMAT="json", TRUSTED_PROXY="127.0.0.1") as log:
        assert log.service.get("/health", X_Forwarded_For=given).status == 200
        assert log.events()[-1]["client"] == client


@pytest.mark.parametrize("given", ['"203.0.113', ":80", "unknown", "203.0.113.9,", "203.0.113.256"])
def test_a_request_with_an_invalid_x_forwarded_for_is_refused_and_logged(data: Path, given: str) -> None:
    with seen(data, LOG_FORMAT="json", TRUSTED_PROXY="127.0.0.1") as log:
        answer = log.service.get("/health", X_Forwarded_For=given, X_Request_ID="mine")
        assert "X-Forwarded-For" in refused(answer, 400)["error"]
        last = log.events()[-1]
        assert (last["status"], last["request"], last["client"]) == (400, "mine", "127.0.0.1")


def test_a_malformed_request_is_one_log_line_with_its_id(data: Path) -> None:
    with seen(data, LOG_FORMAT="json") as log:
        _, headers, _ = answer_to(log.service, b"GET /health HTTP/1.1\r\n\r\n")
        line = log.events()[-1]
        assert {name: line[name] for name in ("event", "method", "path", "status", "client", "request")} == {
            "event": "request",
            "method": "GET",
            "path": "/health",
            "status": 400,
            "client": "127.0.0.1",
            "request": headers["x-request-id"],
        }
        assert "Host" in line["refused"]


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot tell whether a write to a pipe would wait")
def test_a_log_whose_reader_does_not_read_stops_no_thread_and_goes_on_when_it_does(data: Path) -> None:
    end, begin = os.pipe()
    with os.fdopen(end, "rb") as reader, os.fdopen(begin, "wb") as writer, running(DATA=data, stderr=writer) as service:
        service.create(id=1)
        with connected(service) as connection:
            # More lines than a pipe takes.
            for _ in range(2000):
                connection.sendall(HEALTH)
                assert received(connection)[0] == 200
        for number in range(5):
            assert service.put(build(id=1, title=f"title {number}")).status == 200
            assert service.find(1)["title"] == f"title {number}"
        os.set_blocking(end, False)
        lines = read(reader)
        assert service.get("/version", X_Request_ID="later").status == 200
        later = read(reader)
        assert all(re.fullmatch(rb"20[^ ]+Z INFO .* request=[^ ]+", line) for line in (*lines, *later))
        assert [line[-13:] for line in later] == [b"request=later"]


def read(reader: BinaryIO) -> list[bytes]:
    """Return the lines that are in a pipe."""
    return (reader.read() or b"").splitlines()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("where", ["a full disk", "a closed pipe"])
def test_a_log_that_cannot_be_written_stops_no_thread(data: Path, where: str) -> None:
    with contextlib.ExitStack() as stack:
        if where == "a full disk":
            log = stack.enter_context(Path("/dev/full").open("wb"))
        else:
            end, begin = os.pipe()
            os.close(end)
            log = stack.enter_context(os.fdopen(begin, "wb"))
        service = stack.enter_context(running(DATA=data, stderr=log, THREADS=1, LOG_LEVEL="DEBUG"))
        service.create(id=1)
        # Each thread writes to the log more than once.
        for number in range(5):
            assert service.put(build(id=1, title=f"title {number}")).status == 200
            assert service.put(build(id=2)).status == 404
            assert service.find(1)["title"] == f"title {number}"
            assert service.get("/health").status == 200
            assert answer_to(service, b"nonsense\r\n\r\n")[0] == 400
