"""The client commands `repair`, `repairs` and `undo-repair`."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from client import Terminal, command
from platforms import needs_terminal
from service import Service, running

SET = ["status=error", "error=the worker died", "finished=now", "--reason", "OPS-17"]


@pytest.fixture
def host(service: Service, new_id: int) -> str:
    """The name of a worker with three stuck builds, one that has succeeded and one that has just started."""
    started = int(time.time()) - 2 * 86_400
    builds: list[dict[str, Any]] = [{}, {"status": "pending"}, {}, {"status": "success"}, {"started": 2 * started}]
    for number, fields in enumerate(builds, 1):
        usual = {"status": "running", "created": started, "started": started, "host": f"w{new_id}"}
        service.create(**usual | fields, id=new_id + number * 10_000, repo_id=new_id, number=number)
    return f"w{new_id}"


def statuses(service: Service, host: str) -> dict[int, str]:
    """Return the statuses of a worker's builds by their numbers."""
    return {build["number"]: build["status"] for build in service.get(f"/api/v1/admin/builds?host={host}").json}


WAS = {1: "running", 2: "pending", 3: "running", 4: "success", 5: "running"}
IS = WAS | {1: "error", 2: "error", 3: "error"}


def repaired(service: Service, *arguments: str) -> int:
    """Repair with the option --yes, and return the number of the repair."""
    done = command("repair", *arguments, *SET, "--yes", service=service)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1].split()[1].removesuffix(":"))


@needs_terminal
def test_repair_shows_the_changes_asks_and_applies_them(service: Service, host: str, new_id: int) -> None:
    terminal = Terminal("repair", "--host", host, *SET, service=service, columns=200)
    terminal.expect("[y/N] ")
    assert statuses(service, host) == WAS
    assert f"3 builds at {service.url}: 3 to change\n" in terminal.shown
    assert f'{new_id + 10_000}  "running" -> "error"  "" -> "the worker died"  0 -> ' in terminal.shown
    assert f'{new_id + 20_000}  "pending" -> "error"  "" -> "the worker died"  0 -> ' in terminal.shown
    assert f"Change 3 builds at {service.url}? [y/N] " in terminal.shown
    terminal.type("y\n")
    assert terminal.end() == 0
    assert "To undo this: build-admin undo-repair " in terminal.shown
    assert statuses(service, host) == IS


@needs_terminal
def test_a_repair_that_is_not_confirmed_changes_nothing(service: Service, host: str) -> None:
    terminal = Terminal("repair", "--host", host, *SET, service=service)
    terminal.expect("[y/N] ")
    terminal.type("n\n")
    assert terminal.end() == 1
    assert command("repair", "--host", host, *SET, service=service).returncode == 2
    assert command("repair", "--host", host, *SET, "--dry-run", service=service).returncode == 0
    assert command("repair", "--host", host, *SET[:3], service=service).returncode == 2
    assert statuses(service, host) == WAS


@needs_terminal
def test_a_repair_is_refused_when_a_build_changes_at_the_prompt(service: Service, host: str, new_id: int) -> None:
    terminal = Terminal("repair", "--host", host, *SET, service=service)
    terminal.expect("[y/N] ")
    service.put(service.find(new_id + 10_000) | {"title": "another"})
    terminal.type("y\n")
    assert terminal.end() == 3
    assert statuses(service, host) == WAS


def test_builds_given_by_id_are_repaired_even_if_they_are_not_stuck(service: Service, host: str, new_id: int) -> None:
    named = ["--id", f"{new_id + 40_000},{new_id + 10_000}"]
    shown = command("repair", *named, "--older", "1d", *SET, "--dry-run", service=service)
    assert shown.stdout.startswith(f"1 build at {service.url}: 1 to change\n")
    repaired(service, *named)
    assert statuses(service, host) == WAS | {1: "error", 4: "error"}
    absent = command("repair", "--id", "99999999", *SET, service=service)
    assert (absent.returncode, "99999999" in absent.stderr) == (5, True)
    assert command("repair", "--id", "1,x", *SET, service=service).returncode == 2


def test_a_repair_without_changes_succeeds(service: Service, host: str) -> None:
    repaired(service, "--host", host)
    again = command("repair", "--host", host, *SET, service=service)
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "There is nothing to change.")


def test_an_invalid_value_is_refused(service: Service, host: str) -> None:
    done = command("repair", "--host", host, "status=stuck", "number=1", "--reason", "x", "--yes", service=service)
    assert (done.returncode, "status" in done.stderr, "number" in done.stderr) == (5, True, True)
    assert statuses(service, host) == WAS


def test_of_many_builds_the_first_twenty_are_shown(service: Service, new_id: int) -> None:
    for number in range(1, 26):
        build_id = new_id + number * 10_000
        service.create(id=build_id, repo_id=new_id, number=number, status="pending", host=f"m{new_id}")
    shown = command("repair", "--host", f"m{new_id}", *SET, service=service).stdout.splitlines()
    assert (len(shown), shown[-1]) == (1 + 1 + 20 + 1, "... and 5 more; --dry-run shows all")
    every = command("repair", "--host", f"m{new_id}", *SET, "--dry-run", service=service).stdout.splitlines()
    assert len(every) == 1 + 1 + 25


@needs_terminal
def test_repairs_lists_repairs_and_their_builds_and_undo_repair_restores_them(
    service: Service, host: str, new_id: int
) -> None:
    repair = repaired(service, "--host", host)
    service.put(service.find(new_id + 10_000) | {"title": "the worker came back"})
    listed = command("repairs", service=service).stdout.splitlines()
    assert listed[0].split() == ["REPAIR", "WHEN", "BY", "BUILDS", "UNDOES", "UNDONE", "BY", "REASON"]
    assert [listed[1].split()[0], *listed[1].split()[-3:]] == [str(repair), "octokitty", "3", "OPS-17"]
    shown = command("repairs", repair, service=service).stdout
    assert 'set status: "error"\n' in shown
    assert f'where host: "{host}"\n' in shown
    assert f"{new_id + 10_000}  2         changed since  octokitty\n" in shown
    assert f"{new_id + 20_000}  2         as repaired\n" in shown
    lines = command("repairs", repair, "-o", "json", service=service).stdout.splitlines()
    assert [json.loads(line)["state"] for line in lines] == ["changed since", "as repaired", "as repaired"]

    undo = ["undo-repair", repair, "--reason", "it was only slow"]
    assert command(*undo, service=service).returncode == 2
    terminal = Terminal(*undo, service=service, columns=200)
    terminal.expect("[y/N] ")
    assert f"build {new_id + 10_000} is left as it is: " in terminal.shown
    terminal.type("y\n")
    assert terminal.end() == 0
    assert statuses(service, host) == IS | {2: "pending", 3: "running"}
    newest = json.loads(command("repairs", "--limit", 1, "-o", "json", service=service).stdout)
    assert (newest["undoes"], newest["reason"]) == (repair, "it was only slow")
    history = command("history", new_id + 20_000, service=service).stdout
    assert f"by octokitty, in repair {repair}\n" in history
    again = command(*undo, service=service)
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "There is nothing to change.")
    assert command("undo-repair", 99_999, "--reason", "x", service=service).returncode == 4


def test_repairs_without_any_repair_prints_a_sentence(data: Path) -> None:
    with running(DATA=data) as service:
        done = command("repairs", service=service)
        assert (done.returncode, done.stdout) == (0, f"Nothing was repaired at {service.url} yet.\n")
