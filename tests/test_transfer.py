"""The commands `import`, `export` and `backup`."""

import contextlib
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from test_overwrite import NEWER

from build_admin.commands.errors import CommandError
from build_admin.commands.files import new_file
from build_admin.models.build import canonical
from build_admin.models.stores.store import FILE
from build_admin.schemas.records import Records
from platforms import WINDOWS, needs_bash, needs_limits
from service import BUILDS, PROGRAM, REPAIRS, ROOT, build, environment, run, running
from signals import own_console, send


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """The settings of an empty store of each kind."""
    settings: dict[str, Any] = {"DATA": tmp_path / "data"}
    if request.param == "postgresql":
        settings["DATABASE_URL"] = request.getfixturevalue("new_database")()
    return settings


def write(file: Path, *builds: Any) -> str:
    file.write_text("".join(json.dumps(one) + "\n" for one in builds), encoding="utf-8")
    return str(file)


def exported(settings: dict[str, Any], *arguments: str) -> list[Any]:
    done = run("export", *arguments, **settings)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.split("\n")[:-1]]


def test_an_export_with_revisions_is_imported_unchanged(
    empty: dict[str, Any], new_database: Any, tmp_path: Path
) -> None:
    with running(**empty) as service:
        service.create(id=7, title="größer\u2028 <T>", **NEWER)
        service.create(id=2, repo_id=2**63 - 1)
        service.put(build(id=2, status="error"))
        file = tmp_path / "all.ndjson"
        assert run("export", "--revisions", str(file), **empty).returncode == 0
        assert run("export", str(file), **empty).returncode == 1
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n")[:-1]]
    assert [(line.get("build_id"), line.get("revision")) for line in lines] == [
        (None, None), (2, 1), (2, 2), (None, None), (7, 1),
    ]  # fmt: skip
    for other in ({"DATA": tmp_path / "other"}, {"DATA": tmp_path / "other", "DATABASE_URL": new_database()}):
        done = run("import", str(file), **other)
        assert done.stdout == "imported 2 builds (2 created, 0 overwritten, 0 unchanged) and 3 revisions\n", done.stderr
        assert exported(other, "--revisions") == lines
        again = run("import", "--overwrite", str(file), **other)
        assert again.returncode == 1
        assert "build 2 or revisions of it are stored" in again.stderr


def test_an_import_names_every_fault_by_its_line_and_stores_nothing(empty: dict[str, Any], tmp_path: Path) -> None:
    assert run("import", write(tmp_path / "first", build(id=1)), **empty).returncode == 0
    file = tmp_path / "second"
    lines = [
        json.dumps(build(id=2)),
        "",
        json.dumps(build(id=3, status="stuck", parent="1")),
        "{",
        '{"id": 1, "id": 2}',
        json.dumps(build(id=2, number=9)),
        json.dumps(build(id=4, number=2)),
        json.dumps(build(id=5, number=1)),
        json.dumps(build(id=1)),
        '"' + "x" * 1024 * 1024 + '"',
    ]
    file.write_text("\n".join(lines), encoding="utf-8")
    done = run("import", str(file), **empty)
    assert done.returncode == 1
    places = [line.split(": ")[0] for line in done.stderr.splitlines()]
    assert sorted(places) == sorted(
        ["line 3", "line 3", *(f"line {n}" for n in (4, 5, 6, 7, 8, 9, 10)), "build-admin"]
    ), done.stderr
    assert exported(empty) == [build(id=1)]


def test_an_import_that_overwrites_leaves_revisions_and_applies_the_rules_of_put(
    empty: dict[str, Any], tmp_path: Path
) -> None:
    assert run("import", write(tmp_path / "1", build(id=1), build(id=2, email="a@b.c")), **empty).returncode == 0
    refused = run("import", "--overwrite", write(tmp_path / "2", build(id=1, title="n"), build(id=2)), **empty)
    assert (refused.returncode, refused.stderr.count("line 2: email: has a value")) == (1, 1)
    swapped = write(tmp_path / "3", build(id=1, number=3), build(id=2, number=1, email=None), build(id=9, number=2))
    done = run("import", "--overwrite", swapped, **empty)
    assert "(1 created, 2 overwritten, 0 unchanged)" in done.stdout, done.stderr
    revisions = [line for line in exported(empty, "--revisions") if line.get("revision") == 2]
    assert [(line["build_id"], line["before"]["number"]) for line in revisions] == [(1, 1), (2, 2)]


@pytest.mark.parametrize("text", ["[]", "[ ]\n", "", "\n", "[%s]", "[\n%s,%s\n]\n", "\ufeff%s\n%s"])
def test_an_import_reads_lines_and_arrays(data: Path, tmp_path: Path, text: str) -> None:
    builds = [build(id=n, title='],[{}"\\') for n in (1, 2)][: text.count("%s")]
    (tmp_path / "file").write_text(text % tuple(json.dumps(one, indent=None) for one in builds), encoding="utf-8")
    done = run("import", str(tmp_path / "file"), DATA=data)
    assert done.returncode == 0, done.stderr
    assert exported({"DATA": data}) == builds


def test_a_command_leaves_only_the_database_file(data: Path, tmp_path: Path) -> None:
    for arguments in (["import", write(tmp_path / "file", build(id=1))], ["export"], ["check"]):
        assert run(*arguments, DATA=data).returncode == 0
        assert [file.name for file in data.iterdir()] == ["builds.sqlite3"]


def test_an_import_names_all_of_500_faulty_lines(data: Path, tmp_path: Path) -> None:
    lines = [build(id=number, status="stuck" if number % 2 else "error") for number in range(1, 1001)]
    done = run("import", write(tmp_path / "file", *lines), DATA=data)
    *faults, end = done.stderr.splitlines()
    assert [fault.partition(":")[0] for fault in faults] == [f"line {number}" for number in range(1, 1001, 2)]
    assert end == "build-admin: 500 faults; nothing was imported."


def test_an_import_prints_the_names_in_a_file_with_escapes(data: Path, tmp_path: Path) -> None:
    done = run("import", write(tmp_path / "file", build(id=1) | {"\x1b]0;me\x07\nline 2": 1}), DATA=data)
    fault, _ = done.stderr.splitlines()
    assert fault == r"line 1: \x1b]0;me\x07\nline 2: is not a field of a build; take it out or correct its name."


@pytest.mark.parametrize("text", ["[", "[%s", "[%s,]", "[,%s]", "[%s}", "[%s] 1", '["', "[%s %s]", "[[%s]]", "[NaN]"])
def test_an_invalid_array_is_refused(data: Path, tmp_path: Path, text: str) -> None:
    text = text.replace("%s", json.dumps(build(id=1)))
    (tmp_path / "file").write_text(text, encoding="utf-8")
    done = run("import", str(tmp_path / "file"), DATA=data)
    assert done.returncode == 1
    assert done.stderr.startswith("item "), done.stderr
    assert exported({"DATA": data}) == []


@needs_limits
def test_a_backup_that_does_not_fit_on_the_disk_leaves_no_file(data: Path, tmp_path: Path) -> None:
    # More than SQLite keeps in memory.
    builds = (build(id=number, message=2000 * "x", title=1000 * "x", error=1000 * "x") for number in range(1, 1001))
    run("import", write(tmp_path / "builds", *builds), DATA=data)
    file = tmp_path / "backups" / "copy [1]"
    file.parent.mkdir()
    # Half of the store, in blocks of 512 bytes.
    program = ("sh", "-c", f'ulimit -f {(data / FILE).stat().st_size // 1024}; exec "$@"', "sh", *PROGRAM)
    done = run("backup", str(file), program=program, DATA=data)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"cannot be copied to {file}: " in done.stderr
    assert list(file.parent.iterdir()) == []


def test_a_backup_is_readable_only_by_its_owner_and_replaces_no_file(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "copy.sqlite3"
    with running(DATA=data) as service:
        service.create(id=1)
        done = run("backup", str(file), DATA=data)
    assert done.returncode == 0, done.stderr
    assert WINDOWS or file.stat().st_mode & 0o077 == 0
    assert run("backup", str(file), DATA=data).returncode == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.sqlite3", "data"]


def test_a_missing_store_or_file_is_reported_in_one_line(data: Path, tmp_path: Path) -> None:
    for arguments in (["export"], ["backup", str(tmp_path / "b")], ["import", str(tmp_path / "none")]):
        done = run(*arguments, DATA=data)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    done = run("backup", "x", DATABASE_URL="postgresql://nowhere")
    assert (done.returncode, "pg_dump" in done.stderr) == (1, True)


def test_ctrl_c_while_an_import_is_reading_stores_nothing(data: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "app.py"), "import", "-"],
        env=environment(DATA=data),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **own_console(),
    )
    assert process.stdin
    # This is more than a pipe holds, so the import is reading once all of it is written.
    for number in range(1, 1001):
        process.stdin.write(json.dumps(build(id=number)).encode() + b"\n")
    process.stdin.flush()
    send(process, signal.SIGINT)
    assert process.communicate(timeout=30)[1].splitlines() == [b"build-admin: interrupted"]
    assert process.returncode == 130
    assert exported({"DATA": data}) == []


def test_a_revision_without_a_field_is_refused_by_name(data: Path, tmp_path: Path) -> None:
    revision = {"build_id": 1, "revision": 1, "at": 1, "by": "me", "request_id": "r", "changes": {}}
    done = run("import", write(tmp_path / "file", build(id=1), revision), DATA=data)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        1,
        "line 2: before: is missing; a revision is imported whole.",
    )
    done = run("import", write(tmp_path / "file", build(id=1), revision | {"before": None}), DATA=data)
    assert done.stdout.endswith("and 1 revisions\n"), done.stderr


def test_an_import_reads_crlf_and_a_byte_order_mark(data: Path, tmp_path: Path) -> None:
    lines = "".join(json.dumps(build(id=n)) + "\r\n" for n in (1, 2))
    (tmp_path / "file").write_bytes(("\ufeff" + lines).encode("utf-8"))
    assert run("import", str(tmp_path / "file"), DATA=data).returncode == 0
    assert exported({"DATA": data}) == [build(id=1), build(id=2)]


def test_a_file_that_is_not_utf_8_and_a_folder_are_reported(data: Path, tmp_path: Path) -> None:
    latin = tmp_path / "latin"
    latin.write_bytes(json.dumps(build(id=1, title="größer"), ensure_ascii=False).encode("latin-1"))
    assert run("import", str(latin), DATA=data).stderr.startswith("line 1: is not UTF-8 (byte ")
    folder = run("import", str(tmp_path), DATA=data)
    assert (folder.returncode, folder.stderr.count("\n"), str(tmp_path) in folder.stderr) == (1, 1, True)
    assert exported({"DATA": data}) == []


def test_a_stored_build_that_put_would_refuse_is_exported_and_not_imported(data: Path, tmp_path: Path) -> None:
    assert run("import", write(tmp_path / "file", build(id=1)), DATA=data).returncode == 0
    with contextlib.closing(sqlite3.connect(data / "builds.sqlite3")) as database:
        database.execute("UPDATE builds SET number = 0")
        database.commit()
    (tmp_path / "export").write_text(run("export", DATA=data).stdout, encoding="utf-8")
    done = run("import", str(tmp_path / "export"), DATA=tmp_path / "other")
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, f"line 1: number: must be from 1 to {2**63 - 1}.")


@needs_bash
@pytest.mark.parametrize(("command", "closed"), [("import -", "<&-"), ("export", ">&-")])
def test_a_closed_stdin_or_stdout_is_reported_in_one_line(
    data: Path, tmp_path: Path, command: str, closed: str
) -> None:
    assert run("import", write(tmp_path / "file", build(id=1)), DATA=data).returncode == 0
    done = subprocess.run(
        ["bash", "-c", f'exec "$0" "$1" {command} {closed}', *PROGRAM],
        env=environment(DATA=data),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "build-admin: stdin or stdout is closed; name a file.\n")


@needs_bash
def test_a_command_works_with_a_closed_stderr(data: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "file", build(id=1))
    command = ["bash", "-c", 'exec "$0" "$1" import "$2" 2>&-', *PROGRAM, file]
    done = subprocess.run(command, env=environment(DATA=data), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout[:17]) == (0, "imported 1 builds")


def test_an_export_with_repairs_is_imported_unchanged(empty: dict[str, Any], new_database: Any, tmp_path: Path) -> None:
    with running(**empty) as service:
        for build_id in (1, 2, 3):
            service.create(id=build_id)
        first = service.repair({"ids": [1, 3]}, {"status": "error", "deploy_payload": {"a": "größer"}}).json
        service.undo(first["repair"])
        repairs = service.get(REPAIRS).json
        builds = service.get(f"{REPAIRS}/1/builds").json
    lines = exported(empty, "--revisions")
    assert [line.get("repair") for line in lines] == [1, 2, None, None, 1, 2, None, None, None, None, 1, 2]
    file = tmp_path / "all.ndjson"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    for other in ({"DATA": tmp_path / "other"}, {"DATA": tmp_path / "other", "DATABASE_URL": new_database()}):
        done = run("import", str(file), **other)
        assert done.stdout.endswith("and 7 revisions, and 2 repairs\n"), done.stderr
        assert exported(other, "--revisions") == lines
        with running(**other) as service:
            assert service.get(REPAIRS).json == repairs
            assert service.get(f"{REPAIRS}/1/builds").json == builds
            assert service.get(f"{BUILDS}/3/revisions/3").json["repair"] == 2
            assert service.undo(2).json["repair"] == 3
        again = run("import", "--overwrite", str(file), **other)
        assert "line 1: repair 1 is stored; histories are not mixed." in again.stderr


def test_an_invalid_repair_is_not_imported(empty: dict[str, Any], tmp_path: Path) -> None:
    repair = {
        "repair": 7, "at": 1, "by": "octokitty", "request_id": "a", "reason": "b", "where": {"number": 1},
        "set": {"status": "error"}, "undoes": None, "changed": 2,
    }  # fmt: skip
    revision = {
        "build_id": 1, "revision": 1, "at": 1, "by": "octokitty", "request_id": "a", "changes": {}, "before": None,
    }  # fmt: skip
    file = write(
        tmp_path / "file", repair, repair, repair | {"repair": 8, "undone_by": 1, "where": 1}, build(id=1),
        revision | {"repair": 7}, revision | {"revision": 2, "repair": 9},
    )  # fmt: skip
    done = run("import", file, **empty)
    assert done.returncode == 1
    assert set(done.stderr.splitlines()[:-1]) == {
        "line 1: changed: is 2, and 1 revisions are of it.",
        "line 2: repeats the number of line 1.",
        "line 3: undone_by: is not a field of a repair; take it out or correct its name.",
        "line 3: where: must be an object, not an integer.",
        "line 6: repair: is 9, and there is no such repair in the file.",
    }
    assert exported(empty) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize(
    "command",
    ["--help", "--version", "check", "set --help", "token me", "serve", "export", "import", "list", "backup"],
)
def test_a_stdout_on_a_full_disk_is_reported_in_one_line(data: Path, tmp_path: Path, command: str) -> None:
    file = write(tmp_path / "file", build(id=1))
    assert run("import", file, DATA=data).returncode == 0
    arguments = {"import": [file, "--overwrite"], "backup": [str(tmp_path / "copy")]}.get(command, [])
    with running(DATA=data) as service, Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*PROGRAM, *command.split(), *arguments],
            env=environment(DATA=data, **({"URL": service.url, "TOKEN": service.token} if command == "list" else {})),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=30,
        )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "No space left on device" in done.stderr
    assert ("all stored" in done.stderr) == (command == "import")


@pytest.mark.parametrize("links", [True, False])
def test_new_file_does_not_replace_a_file_created_by_another_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:  # FAT file systems have no hard links.

        def no_link(*_: Any) -> None:
            raise PermissionError

        monkeypatch.setattr(os, "link", no_link)
    for number in range(30):
        path = tmp_path / str(number)
        together = threading.Barrier(4)
        written: list[str] = []

        def write_it(name: str, path: Path = path, together: Any = together, written: Any = written) -> None:
            with contextlib.suppress(CommandError):
                with new_file(path) as partial:
                    partial.write_text(name, encoding="utf-8")
                    together.wait()
                    # All threads have seen that the file does not exist.
                written.append(name)

        threads = [threading.Thread(target=write_it, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        seen = set()
        while any(thread.is_alive() for thread in threads):
            # Windows cannot open a file while it is renamed.
            with contextlib.suppress(FileNotFoundError, PermissionError):
                seen.add(path.read_text(encoding="utf-8"))
        assert len(seen - {""}) <= 1
        assert written == [path.read_text(encoding="utf-8")]
    assert len(list(tmp_path.iterdir())) == 30


REVISION = {
    "build_id": 1, "revision": 1, "at": 1, "by": "me", "request_id": "r",
    "changes": {"title": {"from": "a", "to": "b"}}, "before": build(id=1),
}  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"revision": 2**63 - 1}, "revision: must be from 1 to 1000000000."),
        ({"changes": {"title": "b"}}, "changes: must have an object of 'from' and 'to' for 'title'."),
        ({"changes": {"title": {"to": "b"}}}, "changes: must have an object of 'from' and 'to' for 'title'."),
        ({"before": {"id": 1}}, "before: has no 'repo_id'; a revision has the whole build."),
        ({"before": build(id=1, title=1)}, "before: has an integer that cannot be its 'title'."),
        ({"before": build(id=1, parent=2**64)}, "before: has an integer that cannot be its 'parent'."),
        ({"before": build(id=1, fork="x")}, "before: has a string that cannot be its 'fork'."),
    ],
)
def test_an_invalid_revision_is_refused(data: Path, tmp_path: Path, fields: dict[str, Any], fault: str) -> None:
    done = run("import", write(tmp_path / "file", build(id=1), REVISION | fields), DATA=data)
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, f"line 2: {fault}")
    assert run("import", write(tmp_path / "file", build(id=1), REVISION), DATA=data).returncode == 0


def test_an_import_reports_no_fault_that_only_follows_from_another(empty: dict[str, Any], tmp_path: Path) -> None:
    builds = [build(id=number) for number in range(1, 1201)]
    assert run("import", write(tmp_path / "first", *builds), **empty).returncode == 0
    # Nothing is written, because build 1 is faulty. Build 9999, in another batch, has the number that build 2 gives up,
    # and build 9998 that which build 3 would give up if it had no fault. Build 9997 has a number that is taken.
    changed = [
        build(id=1, message="x" * 2001),
        build(id=2, number=9002),
        build(id=3, number=9003, status="stuck"),
        *builds[3:1190],
        build(id=9999, number=2),
        build(id=9998, number=3),
        build(id=9997, number=1200),
    ]
    done = run("import", "--overwrite", write(tmp_path / "second", *changed), **empty)
    *faults, end = done.stderr.splitlines()
    assert [fault.partition(":")[0] for fault in faults] == ["line 1", "line 3", "line 1193"], done.stderr
    assert "Build 1200 already has" in faults[-1]
    assert end == "build-admin: 3 faults; nothing was imported."


def laid_out(one: dict[str, Any]) -> str:
    return canonical(one).decode("utf-8")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n \n"])
@pytest.mark.parametrize("count", [1, 3])
def test_an_import_reads_builds_in_the_format_of_responses(
    data: Path, tmp_path: Path, start: str, end: str, count: int
) -> None:
    builds = [build(id=number, title='}"{[\\', deploy_payload={"a": "}"}) for number in range(1, count + 1)]
    text = start + "".join(map(laid_out, builds))
    (tmp_path / "file").write_bytes(text.replace("\n", end).encode("utf-8"))
    assert run("import", str(tmp_path / "file"), DATA=data).returncode == 0
    assert exported({"DATA": data}) == builds


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        (f"[{json.dumps(build(id=1))},\n", "item 2: is not there or not whole, and the array does not end; is "),
        (f"[{json.dumps(build(id=1))}]{{}}", "item 2: is not an item of the array any more; a file has one array, "),
        (laid_out(build(id=1))[:-2], "line 1: is not JSON: Expecting ',' delimiter at line 27, column 1."),
        (json.dumps(build(id=1)) + "\nhello", "line 2: is not JSON: Expecting value at column 1."),
        ("\n" + laid_out(build(id=1)) + laid_out(build(id=2, status="stuck")), "line 29: status: must be one of "),
        ('{"id": ' + "1" * 2**20, "line 1: has more than 1048576 bytes, which no build has; is it one build, or one "),
        ("{\n" + "\n" * 2**20, "line 1: has more than 1048576 bytes"),
        (json.dumps(build(id=1)) + "\n" + json.dumps(build(id=1, number=2)), "line 2: repeats the id of line 1."),
    ],
)
def test_the_fault_of_a_file_is_reported_with_its_place(data: Path, tmp_path: Path, text: str, reported: str) -> None:
    (tmp_path / "file").write_text(text, encoding="utf-8")
    done = run("import", str(tmp_path / "file"), DATA=data)
    assert (done.returncode, done.stderr.startswith(reported)) == (1, True), done.stderr


def test_a_file_in_utf_16_is_reported(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(laid_out(build(id=1)), encoding="utf-16")
    done = run("import", str(tmp_path / "file"), DATA=data)
    assert (done.returncode, "UTF-16" in done.stderr, len(done.stderr.splitlines())) == (1, True, 2), done.stderr


@pytest.mark.parametrize("text", ["", " \n", "[]"])
def test_an_empty_file_is_reported_and_succeeds(data: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text, encoding="utf-8")
    done = run("import", str(tmp_path / "file"), DATA=data)
    assert (done.returncode, done.stderr) == (0, "There are no builds in the file.\n")


def test_white_space_before_a_build_is_read_in_large_blocks(tmp_path: Path) -> None:
    class Counted(io.BufferedReader):
        reads = 0

        def read(self, size: int | None = -1, /) -> bytes:
            Counted.reads += 1
            return super().read(size)

    file = tmp_path / "file"
    file.write_bytes(b" \n" * 500_000 + b'{"id": 1}')
    with Counted(io.FileIO(file)) as stream:
        assert list(Records(stream)) == [(500_001, b'{"id": 1}')]
    assert Counted.reads < 1000


def test_any_text_is_exported_as_it_was_sent(empty: dict[str, Any]) -> None:
    texts = ['"\\/\t\b\x01\x7f', "a\r\n{,\n\": '%s' \\u0022", "\u2028\ud7ff\uffff😀", "0", "null"]
    builds = [build(id=n, title=text, message=text, parent=2**63 - 1) for n, text in enumerate(texts, start=1)]
    builds.append(build(id=99, title="newer", email="a@b.c", deploy_payload={'"': "\n"}))
    with running(**empty) as service:
        for one in builds:
            assert service.put(one, **{"If-None-Match": "*"}).status == 201
            assert service.put(one | {"branch": '": "'}).status == 200
    now = [one | {"branch": '": "'} for one in builds]
    done = run("export", **empty)
    assert done.stdout == "".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) + "\n" for one in now)
    lines = exported(empty, "--revisions")
    assert lines[::3] == now
    assert [line["before"] for line in lines[2::3]] == builds
    assert [line["changes"]["branch"] for line in lines[2::3]] == [{"from": "main", "to": '": "'}] * len(builds)
