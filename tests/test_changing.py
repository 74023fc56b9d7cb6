"""The client commands `set`, `edit` and `undo`: they show the change, ask, and make exactly that change."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from client import Counterpart, Terminal, answer, command, editor, surroundings
from platforms import WINDOWS, needs_terminal
from service import PROGRAM, Service, build, token

KEPT = re.compile(r"What you have written is in (\S+)\.\n")


@pytest.fixture
def stuck(service: Service, new_id: int) -> int:
    """The id of a build that has been running since yesterday."""
    service.create(id=new_id, status="running", started=int(time.time()) - 100_000)
    return new_id


def revisions(service: Service, build_id: int) -> int:
    return len(service.get(f"/api/v1/admin/builds/{build_id}/revisions").json)


@needs_terminal
def test_set_shows_the_difference_asks_and_changes_the_build(service: Service, stuck: int) -> None:
    typed = ["status=error", "error=the worker died", "finished=now", "deploy_number=5", "fork=true"]
    terminal = Terminal("set", stuck, *typed, 'deploy_payload={"a": "b=c"}', service=service)
    terminal.expect("[y/N] ")
    assert revisions(service, stuck) == 1
    terminal.type("y\n")
    assert terminal.end() == 0
    stored = service.find(stuck)
    now = int(time.time())
    assert stored == build(
        id=stuck, status="error", error="the worker died", finished=stored["finished"], started=stored["started"],
        deploy_number=5, fork=True, deploy_payload={"a": "b=c"},
    )  # fmt: skip
    assert abs(stored["finished"] - now) < 60
    lines = terminal.shown.splitlines()
    assert lines[0] == f"build {stuck} at {service.url}"
    assert lines[1:5] == [
        '\x1b[31m- status: "running"\x1b[0m',
        '\x1b[32m+ status: "error"\x1b[0m',
        '\x1b[31m- error: ""\x1b[0m',
        '\x1b[32m+ error: "the worker died"\x1b[0m',
    ]
    assert f"Change 6 fields of build {stuck} at {service.url}? [y/N] y" in terminal.shown
    assert lines[-1] == f"Changed. To undo this: build-admin undo {stuck}"


@pytest.mark.parametrize("typed", ["n\n", "\n", "ja\n", "\x04"])
@needs_terminal
def test_an_answer_other_than_yes_changes_nothing(service: Service, stuck: int, typed: str) -> None:
    terminal = Terminal("set", stuck, "status=error", service=service)
    terminal.expect("[y/N] ")
    terminal.type(typed)
    assert terminal.end() == 1
    assert terminal.shown.endswith("build-admin: Nothing was changed.\n")
    assert service.find(stuck)["status"] == "running"


@needs_terminal
def test_ctrl_c_at_the_prompt_changes_nothing(service: Service, stuck: int) -> None:
    terminal = Terminal("set", stuck, "status=error", service=service)
    terminal.expect("[y/N] ")
    terminal.type("\x03")
    assert terminal.end() == 130
    assert service.find(stuck)["status"] == "running"


def test_without_a_terminal_a_change_needs_the_option_yes(service: Service, stuck: int) -> None:
    done = command("set", stuck, "status=error", service=service)
    assert (done.returncode, done.stdout.splitlines()[1:]) == (2, ['- status: "running"', '+ status: "error"'])
    assert done.stderr == "build-admin: Nothing was changed: there is no terminal to ask at. Add --yes, or --dry-run.\n"
    shown = command("set", stuck, "status=error", "--dry-run", service=service)
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, done.stdout, "")
    assert service.find(stuck)["status"] == "running"
    assert command("set", stuck, "status=error", "--yes", "--dry-run", service=service).returncode == 2
    assert command("set", stuck, "status=error", "--yes", service=service).returncode == 0
    assert service.find(stuck)["status"] == "error"
    again = command("set", stuck, "status=error", service=service)
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "There is nothing to change.")
    assert revisions(service, stuck) == 2


@pytest.mark.parametrize("given", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
@needs_terminal
def test_no_color_and_a_dumb_terminal_turn_colours_off(service: Service, stuck: int, given: dict[str, str]) -> None:
    terminal = Terminal("set", stuck, "status=error", "--dry-run", service=service, columns=100, **given)
    assert terminal.end() == 0
    assert "\x1b" not in terminal.shown
    assert '- status: "running"\n+ status: "error"\n' in terminal.shown


def test_each_refused_field_is_named_once(service: Service, stuck: int) -> None:
    typed = ["status=stuck", "parent=one", "finished=", "colour=red", "size=big"]
    done = command("set", stuck, *typed, "--yes", service=service)
    assert done.returncode == 5
    for fault in ("status must be one of ", "parent must be an integer", "finished must be an integer",
                  "colour is not a field", "size is not a field"):  # fmt: skip
        assert done.stderr.count(fault) == 1, done.stderr
    assert revisions(service, stuck) == 1


def test_an_empty_value_clears_a_newer_field(service: Service, stuck: int) -> None:
    service.put(service.find(stuck) | {"deploy_number": 5, "route": "a", "fork": True, "deploy_payload": {"a": "b"}})
    done = command("set", stuck, "deploy_number=", "route=", "fork=", "deploy_payload=", "--yes", service=service)
    assert done.returncode == 0, done.stderr
    assert not {"deploy_number", "route", "fork", "deploy_payload"} & service.find(stuck).keys()


@needs_terminal
def test_set_does_not_overwrite_a_change_made_at_the_prompt(service: Service, stuck: int) -> None:
    terminal = Terminal("set", stuck, "status=error", service=service, NO_COLOR=1)
    terminal.expect("[y/N] ")
    service.put(service.find(stuck) | {"status": "killed", "host": "w9"})
    terminal.type("y\n")
    assert terminal.end() == 3
    assert f"- is what you have, + what build {stuck} is now:\n" in terminal.shown
    assert '- status: "error"\n+ status: "killed"\n' in terminal.shown
    assert '+ host: "w9"\n' in terminal.shown
    assert "has been changed since it was read by octokitty in revision 2" in terminal.shown.replace("\n", " ")
    assert service.find(stuck)["status"] == "killed"


@pytest.mark.parametrize("columns", [50, 80, 200])
@needs_terminal
def test_a_table_fits_the_terminal(service: Service, new_id: int, columns: int) -> None:
    wide = "日本語" * 40
    service.create(id=new_id, title=wide, branch="b" * 60, host=f"e\u0301{new_id}")
    terminal = Terminal("list", "--host", f"e\u0301{new_id}", service=service, columns=columns)
    assert terminal.end() == 0
    for line in terminal.shown.splitlines():
        assert sum(2 if character in "日本語" else 1 for character in line if character != "\u0301") < columns
    assert "..." in terminal.shown
    piped = command("list", "--host", f"e\u0301{new_id}", service=service)
    assert wide in piped.stdout


def test_a_build_read_without_an_etag_is_not_overwritten(service: Service, stuck: int) -> None:
    stored = service.find(stuck)
    schema: dict[str, Any] = {"components": {"schemas": {"Build": {"properties": {}}}}}
    with Counterpart(answer(stored), answer([]), answer(schema), answer({"error": "No tag."}, 400)) as proxy:
        given = {"BUILD_ADMIN_URL": proxy.url, "BUILD_ADMIN_TOKEN": "x"}
        assert command("set", stuck, "status=error", "--yes", **given).returncode == 5
        assert proxy.headers[-1]["If-Match"] == ""
    headers: dict[str, str | None] = {"Content-Type": "application/json", "If-Match": ""}
    body = json.dumps(stored | {"status": "error"}).encode()
    assert service.request("PUT", "/api/v1/admin/build", body, headers).status == 400


def test_undo_restores_the_build_before_a_revision(service: Service, stuck: int) -> None:
    before = service.find(stuck)
    for status in ("error", "killed"):
        assert command("set", stuck, f"status={status}", "finished=now", "--yes", service=service).returncode == 0
    shown = command("undo", stuck, "--dry-run", service=service)
    assert (shown.returncode, '- status: "killed"\n+ status: "error"\n' in shown.stdout) == (0, True), shown
    assert command("undo", stuck, service=service).returncode == 2
    assert command("undo", stuck, "--yes", service=service).returncode == 0
    assert service.find(stuck)["status"] == "error"
    assert command("undo", stuck, 2, "--yes", service=service).returncode == 0
    assert service.find(stuck) == before
    again = command("undo", stuck, 2, "--yes", service=service)
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "There is nothing to change.")
    creation = command("undo", stuck, 1, "--yes", service=service)
    assert (creation.returncode, "build-admin: " in creation.stderr) == (5, True)
    assert command("undo", stuck, 99, "--yes", service=service).returncode == 4


@needs_terminal
def test_undo_does_not_overwrite_a_change_made_at_the_prompt(service: Service, stuck: int) -> None:
    service.put(service.find(stuck) | {"status": "error"})
    terminal = Terminal("undo", stuck, service=service, NO_COLOR=1)
    terminal.expect("[y/N] ")
    service.put(service.find(stuck) | {"status": "killed"})
    terminal.type("y\n")
    assert terminal.end() == 3
    assert '- status: "error"\n+ status: "killed"\n' in terminal.shown
    assert service.find(stuck)["status"] == "killed"


# The editor.


@needs_terminal
def test_edit_opens_the_build_and_overwrites_it(service: Service, stuck: int, tmp_path: Path) -> None:
    with editor(tmp_path, "text = text.replace('\"running\"', '\"error\"')") as script:
        terminal = Terminal("edit", stuck, service=service, EDITOR=script, TMPDIR=tmp_path)
        terminal.expect("[y/N] ")
        opened = (tmp_path / "opened-1").read_text(encoding="utf-8")
        terminal.type("y\n")
        assert terminal.end() == 0, terminal.shown
    lines = opened.splitlines()
    assert lines[0] == f"# build {stuck} at {service.url}"
    assert json.loads("\n".join(line for line in lines if not line.startswith("#")))["status"] == "running"
    assert '"status": "running",' in lines
    assert service.find(stuck)["status"] == "error"
    assert not list(tmp_path.glob("build-*"))


@pytest.mark.parametrize("lines", [[], ["text = ''"], ["text = '# nothing\\n\\n' + text + '\\n'"]])
def test_an_unchanged_or_empty_text_changes_nothing(
    service: Service, stuck: int, tmp_path: Path, lines: list[str]
) -> None:
    with editor(tmp_path, *lines) as script:
        done = command("edit", stuck, "--yes", service=service, VISUAL=script, EDITOR="false", TMPDIR=tmp_path)
    assert (done.returncode, done.stdout) == (0, "Nothing was changed.\n"), done.stderr
    assert not list(tmp_path.glob("build-*"))
    assert revisions(service, stuck) == 1


def test_the_editor_opens_a_refused_text_again_with_its_faults(service: Service, stuck: int, tmp_path: Path) -> None:
    rounds = [
        'if time == 1: text = text.replace(\'"running"\', \'"stuck"\').replace(\'"parent": 1,\', \'"parent": "1",\')',
        "if time == 2: text = text.replace('\"stuck\",', '\"error\"')",
        "if time == 3: text = text.replace('\"error\"\\n', '\"error\",\\n')",
        'if time == 3: text = text.replace(\'"parent": "1"\', \'"parent": 1\')',
    ]
    with editor(tmp_path, *rounds) as script:
        done = command("edit", stuck, "--yes", service=service, EDITOR=script, TMPDIR=tmp_path)
    assert done.returncode == 0, done.stderr
    assert service.find(stuck)["status"] == "error"
    opened = [(tmp_path / f"opened-{time}").read_text(encoding="utf-8") for time in (1, 2, 3)]
    comments = ["".join(line for line in text.splitlines(True) if line.startswith("#")) for text in opened]
    assert '"status": "stuck"' in opened[1]
    assert "status" in comments[1]
    assert "must be one of created" in comments[1]
    assert "must be an integer, not a string" in comments[1]
    assert "is not JSON" in comments[2]
    assert "must be one of" not in comments[2]
    assert not list(tmp_path.glob("build-*"))


def kept(shown: str) -> str:
    """Return the contents of the file that a failed edit names."""
    found = KEPT.search(shown)
    assert found, shown
    file = Path(found[1])
    assert WINDOWS or file.stat().st_mode & 0o077 == 0
    return file.read_text(encoding="utf-8")


def test_a_text_that_is_refused_and_not_changed_is_kept_in_a_file(service: Service, stuck: int, tmp_path: Path) -> None:
    with editor(tmp_path, "text = text.replace('\"running\"', '\"stuck\"')") as script:
        done = command("edit", stuck, "--yes", service=service, EDITOR=script, TMPDIR=tmp_path)
    assert done.returncode == 5
    assert json.loads(kept(done.stderr))["status"] == "stuck"
    assert (tmp_path / "opened-2").exists()
    assert not (tmp_path / "opened-3").exists()


@needs_terminal
def test_a_change_made_at_the_prompt_is_shown_and_the_text_kept_in_a_file(
    service: Service, stuck: int, tmp_path: Path
) -> None:
    with editor(tmp_path, "text = text.replace('\"running\"', '\"error\"')") as script:
        terminal = Terminal("edit", stuck, service=service, EDITOR=script, TMPDIR=tmp_path, NO_COLOR=1)
        terminal.expect("[y/N] ")
        service.put(service.find(stuck) | {"status": "killed"})
        terminal.type("yes\n")
        assert terminal.end() == 3
    assert '- status: "error"\n+ status: "killed"\n' in terminal.shown
    assert json.loads(kept(terminal.shown))["status"] == "error"


def test_a_change_made_while_the_editor_is_open_is_shown_and_the_text_kept_in_a_file(
    service: Service, stuck: int, tmp_path: Path
) -> None:
    meanwhile = [
        "import subprocess",
        f"os.environ.update({surroundings(service)!r})",
        f"subprocess.run({[*PROGRAM, 'set', str(stuck), 'status=killed', '--yes']!r}, check=True)",
        "text = text.replace('\"running\"', '\"error\"')",
    ]
    with editor(tmp_path, *meanwhile) as script:
        done = command("edit", stuck, "--yes", service=service, EDITOR=script, TMPDIR=tmp_path)
    assert done.returncode == 3, done.stderr
    assert '- status: "error"\n+ status: "killed"\n' in done.stdout
    assert json.loads(kept(done.stderr))["status"] == "error"


def test_a_change_of_the_id_is_refused(service: Service, stuck: int) -> None:
    for other in (stuck + 500_000, 1):
        done = command("set", stuck, f"id={other}", "--yes", service=service)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"build {stuck} keeps its id" in done.stderr


def test_a_field_that_is_given_twice_is_refused(service: Service, stuck: int) -> None:
    done = command("set", stuck, "status=error", "error=x", "status=success", "--yes", service=service)
    assert (done.returncode, done.stderr) == (2, "build-admin: status is given more than once; give it once.\n")
    assert revisions(service, stuck) == 1


def test_a_text_with_another_id_is_refused(service: Service, stuck: int, tmp_path: Path) -> None:
    with editor(tmp_path, f"text = text.replace('\"id\": {stuck}', '\"id\": {stuck + 500_000}')") as script:
        done = command("edit", stuck, "--yes", service=service, EDITOR=script, TMPDIR=tmp_path)
    assert done.returncode == 2
    assert f"build {stuck} keeps its id. Correct the id" in done.stderr
    assert kept(done.stderr)


def test_the_text_is_kept_when_the_token_expires_while_the_editor_is_open(
    service: Service, stuck: int, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(service.token, encoding="utf-8")
    expire = f"pathlib.Path({str(file)!r}).write_text({token(exp=1)!r}, encoding='utf-8')"
    with editor(tmp_path, expire, "text = text.replace('\"running\"', '\"error\"')") as script:
        given = {"BUILD_ADMIN_URL": service.url, "BUILD_ADMIN_TOKEN_FILE": file, "EDITOR": script, "TMPDIR": tmp_path}
        done = command("edit", stuck, "--yes", **given)
    assert done.returncode == 5
    assert "The token has expired" in done.stderr
    assert json.loads(kept(done.stderr))["status"] == "error"
    assert service.find(stuck)["status"] == "running"


@pytest.mark.parametrize("program", ["no-such-editor", "false", "'unbalanced"])
def test_an_editor_that_fails_is_reported(service: Service, stuck: int, tmp_path: Path, program: str) -> None:
    done = command("edit", stuck, "--yes", service=service, EDITOR=program, TMPDIR=tmp_path)
    assert (done.returncode, program in done.stderr, done.stderr.count("\n")) == (1, True, 1)
    assert not list(tmp_path.glob("build-*"))


def test_edit_without_a_terminal_is_refused_before_it_starts_the_editor(
    service: Service, stuck: int, tmp_path: Path
) -> None:
    with editor(tmp_path) as script:
        done = command("edit", stuck, service=service, EDITOR=script)
    assert (done.returncode, (tmp_path / "opened-1").exists()) == (2, False)


def test_an_editor_may_write_crlf_and_a_byte_order_mark(service: Service, stuck: int, tmp_path: Path) -> None:
    lines = [
        'text = text.replace(\'"running"\', \'"error"\').replace(\'"title": "\', \'"title": "größer \')',
        "path.write_bytes(b'\\xef\\xbb\\xbf' + text.replace('\\n', '\\r\\n').encode())",
        "sys.exit()",
    ]
    with editor(tmp_path, *lines) as script:
        done = command("edit", stuck, "--yes", service=service, EDITOR=script, TMPDIR=tmp_path)
    assert done.returncode == 0, done.stderr
    assert service.find(stuck) == service.find(stuck) | {"status": "error", "title": "größer " + build()["title"]}


def test_a_line_separator_in_a_value_begins_no_comment(service: Service, new_id: int, tmp_path: Path) -> None:
    title = "one\u2028# two\u0085# three"
    service.create(id=new_id, title=title, status="running")
    with editor(tmp_path, "text = text.replace('\"running\"', '\"error\"')") as script:
        done = command("edit", new_id, "--yes", service=service, EDITOR=script, TMPDIR=tmp_path)
    assert done.returncode == 0, done.stderr
    assert service.find(new_id) == build(id=new_id, title=title, status="error")


def test_a_text_that_is_not_utf_8_is_refused_and_kept_in_a_file(service: Service, stuck: int, tmp_path: Path) -> None:
    lines = [
        "if time == 1: path.write_bytes(text.replace('\"error\": \"', '\"error\": \"größer').encode('latin-1'))",
        "sys.exit()",
    ]
    with editor(tmp_path, *lines) as script:
        done = command("edit", stuck, "--yes", service=service, EDITOR=script, TMPDIR=tmp_path)
    assert done.returncode == 5
    assert "is not UTF-8" in done.stderr
    found = KEPT.search(done.stderr)
    assert found
    assert "größer".encode("latin-1") in Path(found[1]).read_bytes()
