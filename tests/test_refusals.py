"""Writes that the database restricts: constraints, triggers, row-level security and the largest revision number."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from postgresql import PASSWORD, as_role
from service import BUILDS, REPAIRS, Service, build, refused, run, running
from vela import Tables

WHY = "no title of ours"
ON_POSTGRESQL = (
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN IF NEW.title = 'forbidden' THEN RAISE EXCEPTION '{WHY}'; END IF; "
    "RETURN CASE WHEN NEW.title = 'ignored' THEN NULL ELSE NEW END; END $$",
    "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON builds FOR EACH ROW EXECUTE FUNCTION refuse()",
    "ALTER TABLE builds ADD CHECK (title <> 'checked')",
)
ON_SQLITE = tuple(
    f"CREATE TRIGGER {title}_{event} BEFORE {event} ON builds WHEN NEW.title = '{title}' BEGIN SELECT RAISE({how}); END"
    for event in ("INSERT", "UPDATE")
    for title, how in (("forbidden", f"ABORT, '{WHY}'"), ("ignored", "IGNORE"))
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def refusing(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, dict[str, Any], Tables]]:
    """A service whose table refuses the title `forbidden` and ignores `ignored`, its settings, and its tables."""
    settings: dict[str, Any] = {"DATA": tmp_path_factory.mktemp("refusing")}
    if request.param == "postgresql":
        settings["DATABASE_URL"] = request.getfixturevalue("new_database")()
    with running(**settings) as service:
        tables = Tables(settings)
        for statement in ON_POSTGRESQL if tables.on_postgresql else ON_SQLITE:
            tables.execute(statement)
        yield service, settings, tables


def says_so(answer: Any) -> bool:
    error = refused(answer, 409)["error"]
    return "constraint or trigger" in error and WHY not in error


def test_a_build_that_a_trigger_or_constraint_refuses_is_409_and_stores_nothing(
    refusing: tuple[Service, dict[str, Any], Tables], new_id: int, tmp_path: Path
) -> None:
    service, settings, _ = refusing
    before = service.create(id=new_id)
    other = service.create(id=new_id + 10_000)
    titles = ["checked"] if "DATABASE_URL" in settings else []
    for title in (*titles, "forbidden", "ignored"):
        assert says_so(service.put(build(id=new_id, title=title)))
        assert says_so(service.put(build(id=new_id + 20_000, title=title), If_None_Match="*"))
        document = {"where": {"ids": [new_id, new_id + 10_000]}, "set": {"title": title}, "reason": "x"}
        tag = service.post(f"{REPAIRS}?dry_run=true", document).etag
        assert says_so(service.post(REPAIRS, document, If_Match=tag))
    file = tmp_path / "builds.json"
    for title, id_, words in (
        ("forbidden", new_id + 40_000, WHY),
        ("ignored", new_id + 40_000, "trigger"),
        ("ignored", new_id, "trigger"),
    ):
        file.write_text(json.dumps([build(id=new_id + 30_000), build(id=id_, title=title)]))
        imported = run("import", "--overwrite", str(file), **settings)
        assert (imported.returncode, words in imported.stderr, imported.stderr.count("\n")) == (1, True, 1), imported
    assert service.find(new_id) == before
    assert service.find(new_id + 10_000) == other
    assert len(service.get(f"{BUILDS}/{new_id}/revisions").json) == 1
    assert service.get(f"{BUILDS}?repo_id=1&number={new_id + 30_000}").json == []
    assert service.get(REPAIRS).json == []


def test_a_change_after_the_largest_revision_number_is_409(
    refusing: tuple[Service, dict[str, Any], Tables], new_id: int
) -> None:
    service, _, tables = refusing
    before = service.create(id=new_id)
    tables.execute("UPDATE build_revisions SET revision = ? WHERE build_id = ?", [2**63 - 1, new_id])
    document = {"where": {"ids": [new_id]}, "set": {"title": "new"}, "reason": "x"}
    for answer in (
        service.put(build(id=new_id, title="new")),
        service.put(build(id=new_id, title="new"), "?dry_run=true"),
        service.post(f"{REPAIRS}?dry_run=true", document),
    ):
        assert f"Build {new_id} has a revision {2**63 - 1}" in refused(answer, 409)["error"]
    assert service.find(new_id) == before
    assert service.put(before).status == 200


def test_builds_are_imported_and_repaired_under_row_level_security(
    new_database: Any, data: Path, tmp_path: Path, new_id: int
) -> None:
    url, role = new_database(), f"build_admin_{new_id}"
    with running(DATA=data, DATABASE_URL=url):
        pass
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'".encode())
        owner.execute(f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {role}".encode())
        for table in ("builds", "build_revisions", "build_repairs", "build_repair_revisions"):
            owner.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY".encode())
            owner.execute(f"CREATE POLICY all_rows ON {table} USING (true)".encode())
    theirs: dict[str, Any] = {"DATA": data, "DATABASE_URL": as_role(url, role)}
    file = tmp_path / "builds.json"
    file.write_text(json.dumps([build(id=1), build(id=2)]))
    imported = run("import", str(file), **theirs)
    assert imported.returncode == 0, imported.stderr
    with running(**theirs) as service:
        assert service.repair({"ids": [1, 2]}, {"title": "new"}).json["changed"] == 2
        assert service.undo(1).json["changed"] == 2
        assert service.find(1) == build(id=1)
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
