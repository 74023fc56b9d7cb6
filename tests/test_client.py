"""The client commands that read, and their messages about services and proxies with unexpected responses."""

import contextlib
import getpass
import json
import re
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from build_admin.commands.parser import CLIENT, SERVICE
from build_admin.schemas.sample import SAMPLE
from client import Counterpart, answer, command
from platforms import needs_bash
from service import PROGRAM, Service, build, run, running, token
from vela import Tables

#: An address at which no process listens; the port is assigned to the discard protocol.
NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize("name", [*SERVICE, *CLIENT])
def test_every_command_has_help_with_an_example(name: str) -> None:
    done = command(name, "--help")
    assert done.returncode == 0, done.stderr
    assert "example:\n  " in done.stdout
    assert f"build-admin {name}" in done.stdout.partition("example:\n")[2]


def test_show_prints_a_build_as_text_and_as_json(service: Service, new_id: int) -> None:
    stored = service.create(id=new_id, finished=int(time.time()) - 3 * 86_400, title="größer")
    shown = command("show", new_id, service=service)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith(f"build {new_id} at {service.url}\n")
    assert f"finished       {stored['finished']} (3 days ago)\n" in shown.stdout
    assert 'title          "größer"\n' in shown.stdout
    machine = command("show", new_id, "-o", "json", service=service)
    assert (json.loads(machine.stdout), machine.stdout.count("\n")) == (stored, 1)


def test_history_prints_revisions_as_differences(service: Service, new_id: int) -> None:
    service.create(id=new_id)
    service.put(build(id=new_id, status="error", approved_by="me"))
    done = command("history", new_id, service=service)
    assert (done.returncode, re.sub(r"just now|[0-9]+ seconds ago", "NOW", done.stdout).splitlines()) == (
        0,
        [
            "revision 2: changed NOW by octokitty",
            '- status: "created"',
            '+ status: "error"',
            "- approved_by: none",
            '+ approved_by: "me"',
            "revision 1: created NOW by octokitty",
        ],
    )
    one = command("history", new_id, 2, service=service)
    assert one.stdout.splitlines()[1:] == done.stdout.splitlines()[1:-1]
    machine = json.loads(command("history", new_id, 2, "-o", "json", service=service).stdout)
    assert (machine["revision"], machine["before"]["status"]) == (2, "created")
    assert command("history", new_id, 3, service=service).returncode == 4


def test_list_applies_its_filters_and_its_limit(service: Service, new_id: int) -> None:
    now = int(time.time())
    builds: list[dict[str, Any]] = [{"status": "running"}, {"created": now - 7200}, {"branch": "dev"}, {}]
    for number, given in enumerate(builds, 1):
        usual = {"created": now, "status": "error", "host": f"h{new_id}", "branch": f"b{new_id}"}
        service.create(**usual | given | {"id": new_id + number * 10_000, "number": number, "repo_id": new_id})
    mine = ["list", "--host", f"h{new_id}", "-o", "json"]

    def numbers(*arguments: str) -> list[int]:
        done = command(*mine, *arguments, service=service)
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["number"] for line in done.stdout.splitlines()]

    assert numbers() == [4, 3, 2, 1]
    assert numbers("--status", "running,success") == [1]
    assert numbers("--since", "1h") == [4, 3, 1]
    assert numbers("--branch", f"b{new_id}", "--since", "3h", "--status", "error") == [4, 2]
    assert numbers("--limit", "1") == [4]
    table = command("list", "--host", f"h{new_id}", "--limit", "2", service=service)
    assert table.stdout.split("\n")[0].split() == ["ID", "BUILD", "STATUS", "CREATED", "BRANCH", "HOST", "TITLE"]
    assert [line.split()[0] for line in table.stdout.splitlines()[1:]] == [str(new_id + n * 10_000) for n in (4, 3)]
    assert table.stderr == "2 of 4; --limit 4 shows all\n"
    none = command("list", "--host", "nobody's", service=service)
    assert (none.returncode, none.stdout) == (0, f"No build at {service.url} passes these filters.\n")


def test_json_has_every_build_and_a_table_the_first(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "builds"
    file.write_text("".join(json.dumps(build(id=number)) + "\n" for number in range(1, 251)), encoding="utf-8")
    assert run("import", str(file), DATA=data).returncode == 0
    with running(DATA=data) as service:
        lines = command("list", "-o", "json", service=service).stdout.splitlines()
        assert [json.loads(line)["id"] for line in lines] == list(range(250, 0, -1))
        assert len(command("list", service=service).stdout.splitlines()) == 1 + 50
        assert len(command("list", "--limit", "249", service=service).stdout.splitlines()) == 1 + 249


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_repository_and_number_name_a_build(request: pytest.FixtureRequest, data: Path, kind: str) -> None:
    settings: dict[str, Any] = {"DATA": data}
    if kind == "postgresql":
        settings["DATABASE_URL"] = request.getfixturevalue("new_database")()
    tables = Tables(settings)
    tables.make()
    tables.insert("repos", id=7, full_name="octocat/hello-world", counter=20)
    with running(**settings) as service:
        service.create(id=3, repo_id=7, number=12)
        shown = command("show", "octocat/hello-world/12", service=service)
        assert shown.stdout.startswith(f"build 3 (octocat/hello-world/12) at {service.url}\n"), shown.stderr
        assert (
            "octocat/hello-world/12  created"
            in command("list", "--repo", "octocat/hello-world", service=service).stdout
        )
        absent = command("show", "octocat/hello-world/13", service=service)
        assert (absent.returncode, absent.stderr) == (
            4,
            f"build-admin: There is no build 13 of octocat/hello-world at {service.url}.\n",
        )
        other = command("show", "octocat/goodbye/1", service=service)
        assert (other.returncode, "'octocat/goodbye'" in other.stderr) == (4, True)
        assert command("list", "--repo", "octocat/goodbye", service=service).returncode == 5


def test_without_repository_names_a_build_must_be_named_by_its_id(service: Service) -> None:
    done = command("show", "octocat/hello-world/1", service=service)
    assert done.returncode == 4
    assert "No repository has a name here" in done.stderr
    assert "by its id" in done.stderr


def test_unreadable_fields_are_named_on_stderr(data: Path) -> None:
    with running("--sample", DATA=data) as service:
        tables = Tables({"DATA": data})
        tables.execute("UPDATE builds SET title = CAST(x'ff' AS TEXT), repo_id = -5")
        assert command("list", service=service).stdout.splitlines()[1].split()[1:4] == ["1", "of", "repo_id"]
        tables.execute("UPDATE builds SET repo_id = 1")
        note = "Not valid as stored, and shown as far as possible: title.\n"
        shown = command("show", 1, service=service)
        assert (shown.returncode, shown.stderr) == (0, note)
        assert 'title          "\ufffd"\n' in shown.stdout
        assert command("set", 1, "status=error", "--yes", service=service).stderr == note
        assert command("undo", 1, "--yes", service=service).returncode == 0
        assert command("show", 1, service=service).stderr == note
        of_many = note.replace("title", "1.title")
        assert command("list", service=service).stderr == of_many
        assert command("list", "-o", "json", service=service).stderr == of_many
        assert (
            command("repair", "--id", 1, "status=error", "--reason", "x", "--dry-run", service=service).stderr
            == of_many
        )


def test_control_characters_of_a_build_are_not_printed(service: Service, new_id: int) -> None:
    hostile = "\x1b]0;owned\x07\x9b2J\u202eevil\u2066\r\n\u200bend"
    service.create(id=new_id, title=hostile, branch=hostile, host=hostile[:200])
    service.put(build(id=new_id, message=hostile, title="", branch=hostile, host=""))
    for arguments in (["show", new_id], ["show", new_id, "-o", "json"], ["list"], ["history", new_id],
                      ["history", new_id, 2],
                      ["set", new_id, "--dry-run", f"error={hostile}", f"{hostile}=1"],
                      ["set", new_id, "--dry-run", f"error={hostile}"]):  # fmt: skip
        done = command(*arguments, service=service)
        for text in (done.stdout, done.stderr):
            assert "evil" not in text or "\\u202eevil" in text
            assert all(character == "\n" or character.isprintable() for character in text), (arguments, text)


def test_characters_outside_the_consoles_encoding_are_escaped(service: Service, new_id: int) -> None:
    service.create(id=new_id, title="größer \u2192 日本")
    done = command("show", new_id, service=service, PYTHONIOENCODING="cp1252", encoding="cp1252")
    assert (done.returncode, done.stderr) == (0, "")
    assert 'title          "größer \\u2192 \\u65e5\\u672c"\n' in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["show"], 2),
        (["show", "octocat"], 2),
        (["show", "octocat/1"], 2),
        (["show", "-1"], 2),
        (["list", "--since", "yesterday"], 2),
        (["list", "--limit", "0"], 2),
        (["set", "1"], 2),
        (["set", "1", "status"], 2),
        (["history", "1", "first"], 2),
        (["list", "--status", "stuck"], 5),
        (["show", "0"], 4),
        (["show", "99999999"], 4),
        (["history", "99999999"], 4),
        (["set", "99999999", "status=error"], 4),
    ],
)
def test_the_exit_status_of_usage_errors_refusals_and_missing_builds(
    service: Service, arguments: list[str], status: int
) -> None:
    done = command(*arguments, service=service)
    assert (done.returncode, "build-admin" in done.stderr, "Traceback" in done.stderr) == (status, True, False)


def test_on_the_services_machine_its_settings_give_the_address_and_a_token(data: Path, tmp_path: Path) -> None:
    with running("--sample", DATA=data, SIGNING_KEY="") as service:
        here = {"BUILD_ADMIN_DATA": data, "BUILD_ADMIN_SIGNING_KEY": ""}
        here["BUILD_ADMIN_LISTEN"] = f"0.0.0.0:{service.port}"
        done = command("set", 1, "status=error", "--yes", **here)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"build 1 at http://127.0.0.1:{service.port}\n")
        assert command("set", 1, "status=killed", "--yes", SUDO_USER="root-is-me", **here).returncode == 0
        lines = command("history", 1, "-o", "json", **here).stdout.splitlines()
        assert [json.loads(line)["by"] for line in lines] == ["root-is-me", getpass.getuser(), "serve --sample"]
        # With an explicit URL, even that of the same service, the signing key is not used.
        elsewhere = command("show", 1, **here, BUILD_ADMIN_URL=service.url)
        assert (elsewhere.returncode, "There is no token; set BUILD_ADMIN_TOKEN" in elsewhere.stderr) == (1, True)
        nothing = command("show", 1, **here | {"BUILD_ADMIN_DATA": tmp_path / "other"})
        assert (nothing.returncode, "no signing key" in nothing.stderr) == (1, True)
        assert not (tmp_path / "other").exists()


def test_a_token_is_read_from_a_variable_or_a_file(service: Service, tmp_path: Path) -> None:
    url = {"BUILD_ADMIN_URL": service.url}
    assert command("list", **url, VELA_TOKEN=service.token).returncode == 0
    file = tmp_path / "token"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        file.write_text(service.token + "\r\n", encoding=encoding)
        assert command("list", **url, BUILD_ADMIN_TOKEN_FILE=file, VELA_TOKEN="x").returncode == 0
    file.write_bytes(b"\xff")
    for given in ({"BUILD_ADMIN_TOKEN_FILE": file}, {"BUILD_ADMIN_TOKEN_FILE": tmp_path}, {"BUILD_ADMIN_TOKEN": "a b"}):
        done = command("list", **url, **given)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    expired = command("list", **url, BUILD_ADMIN_TOKEN=token(exp=1))
    assert (expired.returncode, expired.stderr) == (5, "build-admin: The token has expired; get a new one.\n")


@pytest.mark.parametrize("url", ["ftp://x", "localhost:8080", "http://", "http://a:b@c", "http://x/?y", "http://x:0"])
def test_an_invalid_address_is_refused(url: str) -> None:
    done = command("list", BUILD_ADMIN_URL=url)
    assert (done.returncode, done.stderr.startswith("build-admin: BUILD_ADMIN_URL must be")) == (1, True)


def test_a_refused_connection_is_reported() -> None:
    done = command("list", BUILD_ADMIN_URL=NOWHERE, BUILD_ADMIN_TOKEN="x")
    assert done.returncode == 1
    assert done.stderr == f"build-admin: {NOWHERE} cannot be reached: Connection refused.\n"
    unknown = command("list", BUILD_ADMIN_URL="http://nowhere.invalid", BUILD_ADMIN_TOKEN="x")
    assert unknown.stderr.startswith("build-admin: http://nowhere.invalid cannot be reached: ")


def test_a_path_before_the_api_is_kept() -> None:
    with Counterpart(answer([], X_Total_Count="0")) as other:
        done = command("list", BUILD_ADMIN_URL=f"{other.url}/ci/", BUILD_ADMIN_TOKEN="x")
        assert done.returncode == 0, done.stderr
        assert other.requests == ["GET /ci/api/v1/admin/builds?per_page=50"]


BUSY = answer({"error": "The database is locked."}, 503, Retry_After="1")


def test_a_read_is_patient_once(service: Service, new_id: int) -> None:
    with Counterpart(BUSY, answer([], X_Total_Count="0")) as other:
        done = command("list", BUILD_ADMIN_URL=other.url, BUILD_ADMIN_TOKEN="x")
        assert (done.returncode, len(other.requests)) == (0, 2), done.stderr
        assert other.at[1] - other.at[0] >= 1
    with Counterpart(BUSY, BUSY) as other:
        done = command("list", BUILD_ADMIN_URL=other.url, BUILD_ADMIN_TOKEN="x")
        assert (done.returncode, len(other.requests)) == (1, 2)
        assert "The database is locked. (request " in done.stderr
    with Counterpart(answer({"error": "Later."}, 503, Retry_After="300")) as other:
        assert command("list", BUILD_ADMIN_URL=other.url, BUILD_ADMIN_TOKEN="x").returncode == 1


STORED = answer(SAMPLE, ETag='"1"')
CHANGED = answer(SAMPLE | {"status": "error"})
SCHEMA = answer({"components": {"schemas": {"Build": {"properties": {}}}}})
UNNAMED = answer([])
#: What a command asks before it overwrites: the build, its repository's name, the types of fields, what would become.
ASKED = (STORED, UNNAMED, SCHEMA, CHANGED)


def test_a_dry_run_is_patient_and_an_overwrite_is_not() -> None:
    with Counterpart(STORED, UNNAMED, SCHEMA, BUSY, CHANGED, BUSY) as other:
        done = command("set", 1, "status=error", "--yes", BUILD_ADMIN_URL=other.url, BUILD_ADMIN_TOKEN="x")
        assert done.returncode == 1
        puts = [request for request in other.requests if request.startswith("PUT")]
        assert puts == ["PUT /api/v1/admin/build?dry_run=true"] * 2 + ["PUT /api/v1/admin/build"]


def test_an_overwrite_without_an_answer_is_in_doubt() -> None:
    with Counterpart(*ASKED, None) as other:
        done = command("set", 1, "status=error", "--yes", BUILD_ADMIN_URL=other.url, BUILD_ADMIN_TOKEN="x")
        assert done.returncode == 1
        assert "Whether it has made the change is not known" in done.stderr
    with Counterpart(None) as other:
        done = command("show", 1, BUILD_ADMIN_URL=other.url, BUILD_ADMIN_TOKEN="x")
        assert (done.returncode, "not known" in done.stderr) == (1, False)
        assert "the connection was closed before the answer was there" in done.stderr


def test_a_command_gives_up_after_its_timeout() -> None:
    hasty = (
        "from build_admin.commands import http_client, parser; http_client.TIMEOUT = 1; raise SystemExit(parser.main())"
    )
    with Counterpart(30) as other:
        given = {"BUILD_ADMIN_URL": other.url, "BUILD_ADMIN_TOKEN": "x"}
        done = command("show", 1, program=(sys.executable, "-c", hasty), **given)
        assert (done.returncode, done.stderr) == (
            1,
            f"build-admin: {other.url} does not answer: nothing came within 1 seconds.\n",
        )


@pytest.mark.parametrize(
    ("status", "page", "reported"),
    [
        (
            502,
            "<html><title>502 Bad\x1b Gateway</title>",
            'answers 502 with a page for browsers, "502 Bad\\x1b Gateway"',
        ),
        (200, "<!DOCTYPE html><TITLE>\nLog in\n</TITLE>", 'answers 200 with a page for browsers, "Log in"'),
        (404, "", "answers 404 with a page for browsers, which"),
    ],
)
def test_an_html_page_of_a_proxy_is_reported_by_its_title(status: int, page: str, reported: str) -> None:
    html = (status, {"Content-Type": "text/html; charset=utf-8"}, page)
    with Counterpart(html, html) as other:
        done = command("show", 1, BUILD_ADMIN_URL=other.url, BUILD_ADMIN_TOKEN="x")
        assert done.returncode == 1
        assert f"{other.url} {reported}" in done.stderr
        assert "<" not in done.stderr


def test_a_redirect_is_not_followed_with_the_token() -> None:
    with Counterpart((301, {"Location": "https://ci.example.com/"}, "")) as other:
        done = command("show", 1, BUILD_ADMIN_URL=other.url, BUILD_ADMIN_TOKEN="x")
        assert (done.returncode, len(other.requests)) == (1, 1)
        assert "sends its clients to https://ci.example.com/; set BUILD_ADMIN_URL" in done.stderr


def test_a_server_that_does_not_speak_http_is_reported() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"

        def talk() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"220 mail.example.com ESMTP\r\n")

        threading.Thread(target=talk, daemon=True).start()
        done = command("show", 1, BUILD_ADMIN_URL=url, BUILD_ADMIN_TOKEN="x")
    assert done.stderr == f"build-admin: {url} does not answer: what it sends is not HTTP.\n"


def test_an_untrusted_certificate_is_reported(certificate: tuple[Path, Path]) -> None:
    given = {"BUILD_ADMIN_TOKEN": "x"}
    with Counterpart(answer([], X_Total_Count="0"), certificate=certificate) as other:
        refused = command("list", BUILD_ADMIN_URL=other.url, **given)
        assert (refused.returncode, "its certificate is not trusted (self-signed" in refused.stderr) == (1, True)
        assert command("list", BUILD_ADMIN_URL=other.url, **given, SSL_CERT_FILE=certificate[0]).returncode == 0


@pytest.mark.parametrize(
    ("redirected", "reported"),
    [
        ("| true", ""),
        (">&-", ""),
        (">/dev/full", "build-admin: stdout cannot be written: No space left on device.\n"),
        (">/dev/full 2>&1", ""),
    ],
)
@pytest.mark.parametrize("arguments", [("list",), ("list", "-o", "json"), ("check",)])
@needs_bash
def test_a_stdout_that_cannot_be_written_causes_no_traceback(
    service: Service, new_id: int, redirected: str, reported: str, arguments: tuple[str, ...]
) -> None:
    service.create(id=new_id)
    shell = ["bash", "-o", "pipefail", "-c", f'"$@" {redirected}', "bash", *PROGRAM]
    done = command(*arguments, service=service, program=shell)
    assert done.returncode in ((1,) if "full" in redirected else (0, 1))
    assert done.stderr == reported


@needs_bash
def test_a_change_is_made_with_a_closed_stdout(service: Service, new_id: int) -> None:
    service.create(id=new_id)
    shell = ["bash", "-c", '"$@" >&-', "bash", *PROGRAM]
    done = command("set", new_id, "status=error", "--yes", service=service, program=shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert service.find(new_id)["status"] == "error"


def test_a_client_command_does_not_import_the_servers_libraries() -> None:
    """It must start quickly."""
    with Counterpart(answer([], X_Total_Count="0")) as other:
        look = "import sys; from build_admin.commands.parser import main; main(); print(*sys.modules)"
        given = {"BUILD_ADMIN_URL": other.url, "BUILD_ADMIN_TOKEN": "x"}
        loaded = command("list", program=(sys.executable, "-c", look), **given).stdout.split()
    assert "build_admin.commands.seeing" in loaded
    assert not {"falcon", "marshmallow", "peewee", "waitress", "jwt"} & set(loaded)


def test_stuck_lists_builds_with_the_evidence(data: Path) -> None:
    tables = Tables({"DATA": data})
    tables.make()
    now = int(time.time())
    tables.insert("repos", id=7, full_name="octocat/hello-world", counter=20)
    tables.insert("workers", hostname="w1", active=1, running_build_ids="{}", last_checked_in=now - 90_000)
    tables.insert("workers", hostname="w2", active=1, running_build_ids="{2}", last_checked_in=now + 3600)
    with running(DATA=data) as service:
        for build_id, host, age in ((1, "w1", 3), (2, "w2", 2), (3, "w1", 0)):
            started = now - age * 86_400 - 60
            service.create(id=build_id, repo_id=7, number=build_id, status="running", started=started, host=host)
        done = command("stuck", service=service)
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert [line.split()[0] for line in (lines[0], lines[1], lines[3])] == ["ID", "1", "2"]
        assert lines[1].split()[1:] == ["octocat/hello-world/1", "running", "3", "days", "ago", "w1"]
        assert lines[2].startswith("    worker w1 has not checked in since ")
        assert lines[4].startswith("    alive: worker w2 checked in at ")
        assert len(lines) == 5
        machine = command("stuck", "--older", "30s", "--host", "w1", "-o", "json", service=service)
        assert [json.loads(line)["build"]["id"] for line in machine.stdout.splitlines()] == [1, 3]
        assert command("stuck", "--older", "9999d", service=service).stdout == f"Nothing is stuck at {service.url}.\n"
        assert len(command("stuck", "--repo", "octocat/hello-world", service=service).stdout.splitlines()) == 5
