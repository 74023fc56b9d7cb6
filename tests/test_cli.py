"""The command `build-admin`: its arguments, what stops a start, and the files that it makes."""

import contextlib
import json
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import jwt
import pytest

from build_admin.commands.parser import CLIENT, SERVICE
from build_admin.schemas.sample import SAMPLE
from platforms import WINDOWS, needs_bash, needs_file_modes
from service import BUILD, BUILDS, KEY, ROOT, Service, environment, run, running


def one_line(finished: "subprocess.CompletedProcess[str]") -> str:
    """Check that a command has failed, and return its one line on stderr."""
    assert finished.returncode == 1, finished
    assert finished.stderr.count("\n") == 1, finished.stderr
    assert "Traceback" not in finished.stderr
    return finished.stderr


def test_the_option_help_prints_the_usage() -> None:
    finished = run("--help")
    assert finished.returncode == 0
    assert "usage: build-admin" in finished.stdout


@pytest.mark.parametrize(("url", "needed"), [("", False), ("postgresql://127.0.0.1:1/none", True)])
def test_psycopg_is_imported_only_for_postgresql(data: Path, url: str, needed: bool) -> None:
    program = [sys.executable, "-X", "importtime", "-m", "build_admin"]
    finished = run("check", program=program, DATA=data, DATABASE_URL=url, SIGNING_KEY=KEY)
    assert finished.returncode == (1 if needed else 0), finished.stderr
    assert ("psycopg.pq" in finished.stderr) == needed


def test_build_admin_without_arguments_lists_the_commands() -> None:
    finished = run()
    assert (finished.returncode, finished.stdout) == (2, "")
    for name, summary in [*SERVICE.items(), *CLIENT.items()]:
        assert f"  {name:12} {summary}\n" in finished.stderr


@pytest.mark.parametrize("arguments", [["sreve"], ["token"], ["token", ""], ["token", "me", "--ttl", "1 hour"]])
def test_arguments_that_do_not_parse_are_refused(arguments: list[str]) -> None:
    finished = run(*arguments)
    assert finished.returncode == 2
    assert "build-admin" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_the_service_accepts_a_token_made_by_the_command(data: Path) -> None:
    printed = run("token", "octokitty", "--ttl", "15m", DATA=data).stdout.strip()
    claims = jwt.decode(printed, KEY, algorithms=["HS256"])
    assert claims["sub"] == "octokitty"
    assert abs(claims["exp"] - time.time() - 15 * 60) < 60
    with running(DATA=data) as service:
        service.token = printed
        assert service.put(SAMPLE).status == 404


def test_check_prints_the_settings_without_the_key_and_makes_nothing(data: Path) -> None:
    before = run("check", DATA=data, SIGNING_KEY="")
    assert before.returncode == 0, before.stderr
    assert "will be made" in before.stdout
    assert not data.exists()
    with running(DATA=data, SIGNING_KEY=""):
        pass
    after = run("check", DATA=data, SIGNING_KEY="")
    assert after.returncode == 0
    assert "its tables are there" in after.stdout
    assert (data / "signing.key").read_text(encoding="utf-8").strip() not in after.stdout + after.stderr


@needs_bash
def test_the_curl_command_printed_for_the_sample_overwrites_the_sample_build(tmp_path: Path) -> None:
    data = tmp_path / "it's $HOME"
    command = [sys.executable, str(ROOT / "app.py"), "serve", "--sample"]
    with subprocess.Popen(
        command, env=environment(DATA=data.name), cwd=tmp_path, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        assert process.stdout
        lines = [process.stdout.readline()]
        while "/api/v1/admin/build" not in lines[-1]:
            lines.append(process.stdout.readline())
        curl = "".join(lines[[line.startswith("curl") for line in lines].index(True) :])
        service = Service(lines[0].split()[-1])
        before = service.find(1)
        curl = curl.replace("curl", "curl -s", 1)
        answer = subprocess.run(["bash", "-c", curl], cwd="/", capture_output=True, check=True)
        (revision,) = service.get(f"{BUILDS}/1/revisions?per_page=1").json
        service.put(service.find(1) | {"email": "octokitty@example.com"})
        refused = subprocess.run(["bash", "-c", curl], cwd="/", capture_output=True, check=False)
        process.terminate()
    sent = (data / "data.json").read_bytes()
    assert answer.stdout == sent
    assert json.loads(sent) == SAMPLE == before | {"message": "this is an updated message"}
    assert revision["changes"] == {"message": {"from": before["message"], "to": SAMPLE["message"]}}
    assert (refused.returncode, b"email" in refused.stdout) == (22, True)


def test_the_sample_does_not_overwrite_a_build(data: Path) -> None:
    with running("--sample", DATA=data) as service:
        service.put(SAMPLE | {"title": "mine"})
    with running("--sample", DATA=data) as service:
        assert service.find(1)["title"] == "mine"


@needs_file_modes
def test_the_files_of_the_data_folder_are_readable_only_by_their_owner(data: Path) -> None:
    with running(DATA=data, SIGNING_KEY="") as service:
        service.token = run("token", "me", DATA=data, SIGNING_KEY="").stdout.strip()
        assert service.put(SAMPLE, If_None_Match="*").status == 201
        for path in [data, *data.iterdir()]:
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_restart_keeps_the_builds_and_the_signing_key(data: Path) -> None:
    with running(DATA=data, SIGNING_KEY="") as service:
        service.token = kept = run("token", "me", DATA=data, SIGNING_KEY="").stdout.strip()
        assert service.put(SAMPLE, If_None_Match="*").status == 201
    with running(DATA=data, SIGNING_KEY="") as service:
        service.token = kept
        assert service.put(SAMPLE, If_None_Match="*").status == 412


def test_an_unknown_setting_stops_the_start() -> None:
    assert "BUILD_ADMIN_LISTN is not a setting" in one_line(run("serve", LISTN="127.0.0.1:0"))
    assert "BUILD_ADMIN_LISTEN must be host:port" in one_line(run("serve", LISTEN="8080"))


def test_a_short_key_stops_the_start(data: Path) -> None:
    assert "at least 32 bytes" in one_line(run("serve", DATA=data, SIGNING_KEY="short"))
    assert "short" not in one_line(run("check", DATA=data, PREVIOUS_SIGNING_KEY="short")).partition(": ")[2].split()


def test_an_unusable_data_folder_stops_the_start(data: Path) -> None:
    data.mkdir()
    (data / "file").write_text("", encoding="utf-8")
    assert "cannot be opened" in one_line(run("serve", DATA=data / "file" / "under"))
    (data / "builds.sqlite3").mkdir()
    said = one_line(run("serve", DATA=data))
    assert "cannot be opened" in said
    assert WINDOWS or "directory" in said  # On Windows, it is a permission error.


def test_a_file_that_is_not_a_database_stops_the_start(data: Path) -> None:
    data.mkdir()
    (data / "builds.sqlite3").write_text("this is not a database, " * 100, encoding="utf-8")
    assert "not a database" in one_line(run("serve", DATA=data))
    assert "not a database" in one_line(run("check", DATA=data))


def test_a_missing_key_file_stops_the_start(data: Path) -> None:
    missing = data / "missing.key"
    for command in (["serve"], ["check"], ["token", "me"]):
        assert one_line(run(*command, DATA=data, SIGNING_KEY="", SIGNING_KEY_FILE=missing)) == (
            f"build-admin: There is no file {missing}, which BUILD_ADMIN_SIGNING_KEY_FILE names; "
            "write a random text of at least 32 bytes to it.\n"
        )


def test_an_address_in_use_stops_the_start(data: Path) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        assert str(port) in one_line(run("serve", DATA=data, LISTEN=f"127.0.0.1:{port}"))


def test_processes_that_start_at_once_make_one_key(data: Path) -> None:
    program = """
from build_admin import settings, tokens
print(tokens.from_settings(settings.Settings.from_environment(), make=True).issue("me", 60))
"""
    command = [sys.executable, "-c", program]
    started = [
        subprocess.Popen(command, env=environment(DATA=data, SIGNING_KEY=""), stdout=subprocess.PIPE) for _ in range(6)
    ]
    printed = [process.communicate(timeout=60)[0].strip() for process in started]
    key = (data / "signing.key").read_text(encoding="utf-8").strip()
    for token in printed:
        assert jwt.decode(token, key, algorithms=["HS256"])["sub"] == "me"
    assert [path.name for path in data.iterdir()] == ["signing.key"]


def test_the_health_and_the_version_need_no_token(service: Service) -> None:
    health = service.get("/health", Authorization=None)
    assert (health.status, health.json) == (200, "ok")
    version = service.get("/version", Authorization=None)
    assert (version.status, list(version.json)) == (200, ["version"])
    assert service.request("PUT", BUILD, b"{}", {"Authorization": None}).status == 401


@pytest.mark.parametrize(
    ("arguments", "question"),
    [
        (["serve", "--sampel"], "unrecognized arguments: --sampel; did you mean --sample?"),
        (["sreve"], "there is no command 'sreve'; did you mean serve?"),
        (["frobnicate"], "there is no command 'frobnicate'; build-admin --help lists the commands"),
        (["export", "--revisons"], "did you mean --revisions?"),
        (["--versoin"], "there is no option '--versoin'; did you mean --version?"),
        (["-x", "serve"], "there is no option '-x'"),
    ],
)
def test_a_mistyped_command_or_option_gets_a_suggestion(arguments: list[str], question: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(f"{question}\n"), done.stderr


def test_a_mistyped_parameter_of_the_database_url_gets_a_suggestion(data: Path) -> None:
    done = run("check", DATA=data, DATABASE_URL="postgresql://me:secret@localhost/name?sslmod=require")
    assert done.stderr == (
        "build-admin: BUILD_ADMIN_DATABASE_URL has a parameter 'sslmod' that is not known; "
        "write sslmode, if that was meant.\n"
    )
