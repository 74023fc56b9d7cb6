"""Logs, readiness and metrics: what an administrator sees of the running service."""

import contextlib
import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from build_admin.models.stores.store import FILE
from service import BUILDS, REPAIRS, ROOT, Service, build, environment, running, token


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


def test_each_request_is_one_line_in_text(data: Path) -> None:
    with seen(data) as log:
        log.service.get("/health", Authorization=None, X_Request_ID="mine")
        line = log.lines()[-1]
    assert re.fullmatch(
        r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO request method=GET path=/health status=200 ms=[\d.]+ "
        r"client=127\.0\.0\.1 request=mine",
        line,
    )


def test_an_overwrite_is_one_line_more_and_one_that_changes_nothing_is_not(data: Path) -> None:
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
def test_a_proxy_is_believed_only_if_it_is_trusted(data: Path, proxy: str, client: str) -> None:
    with seen(data, LOG_FORMAT="json", TRUSTED_PROXY=proxy) as log:
        log.service.get("/health", X_Forwarded_For="198.51.100.7, 203.0.113.9")
        assert log.events()[-1]["client"] == client


def test_no_secret_is_logged(data: Path) -> None:
    stranger = token("another key, which this service does not know")
    with seen(data, LOG_LEVEL="DEBUG") as log:
        log.service.get(f"{BUILDS}?access_token={log.service.token}")
        log.service.get(BUILDS, Authorization=f"Bearer {stranger}")
        log.service.put(build(id=1), Cookie=f"token={stranger}", X_Request_ID=stranger)
        text = "\n".join(log.lines())
        for secret in (log.service.token, stranger, environment()["BUILD_ADMIN_SIGNING_KEY"]):
            assert secret not in text
            assert secret.rpartition(".")[2] not in text
    assert "refused=signature" in text


@pytest.mark.parametrize("style", ["text", "json"])
def test_what_a_client_sends_stays_on_its_line(data: Path, style: str) -> None:
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
    command = [sys.executable, str(ROOT / "app.py"), "check"]
    finished = subprocess.run(
        command, env=environment(DATA=data, DATABASE_URL=url), capture_output=True, text=True, check=False
    )
    assert finished.returncode == 1
    assert "very" not in finished.stdout + finished.stderr


def test_a_service_whose_log_is_gone_goes_on(data: Path) -> None:
    process = subprocess.Popen(
        ["bash", "-c", f'exec "{sys.executable}" "{ROOT / "app.py"}" token me 2> >(exit 0)'],
        env=environment(DATA=data),
        stdout=subprocess.PIPE,
    )
    assert process.communicate(timeout=60)[0]
    assert process.returncode == 0


def test_readiness_follows_the_tables(data: Path) -> None:
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


def test_a_database_file_that_is_gone_is_not_ready_until_it_is_back(data: Path) -> None:
    with running(DATA=data) as service:
        service.create(id=1)
        (data / FILE).rename(data / "elsewhere")
        assert service.get("/ready", Authorization=None).status == 503
        refused = service.put(build(id=1, title="new"))
        assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
        assert service.get("/health", Authorization=None).status == 200
        (data / "elsewhere").rename(data / FILE)
        assert service.get("/ready", Authorization=None).status == 200
        assert service.put(build(id=1, title="new")).status == 200


def test_a_postgresql_that_is_gone_is_not_ready(new_database: Any, postgres_url: str, data: Path) -> None:
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
    """Return the metrics, by name with labels."""
    answer = service.get("/metrics", Authorization=None)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    lines = [line for line in answer.body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_metrics_count_what_happened(data: Path) -> None:
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


def test_labels_are_bounded_whatever_clients_send(data: Path) -> None:
    with running(DATA=data) as service:
        service.get("/health", Authorization=None)
        service.request("BREW", "/nothing", headers={"Authorization": None})
        before = len(samples(service))
        for number in range(30):
            service.request(f"BREW{number}", f"/nothing/{number}", headers={"Authorization": None})
            service.get(f"{BUILDS}/{number + 1}", Authorization=None)
        assert len(samples(service)) <= before + 30


def test_without_the_extra_metrics_are_not_found_and_all_else_works(data: Path) -> None:
    data.mkdir()
    blocked = data / "prometheus_client.py"
    blocked.write_text("raise ImportError", encoding="utf-8")
    with running(DATA=data, PYTHONPATH=data) as service:
        answer = service.get("/metrics", Authorization=None)
        assert answer.status == 404
        assert "pip install prometheus-client" in answer.json["error"]
        service.create(id=1)


def test_a_repair_is_logged_in_one_line_and_counted(data: Path, tmp_path: Path) -> None:
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
