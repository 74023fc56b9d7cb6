"""The README's worked example, run by a shell against a running service."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from build_admin.schemas.sample import BEFORE
from client import surroundings
from platforms import needs_bash
from service import KEY, ROOT, build, running

HEADING = "## A stuck build, from finding to undoing\n"
SEPARATOR = "--- the next block ---"

STUCK = BEFORE | {"status": "running"}


def example() -> list[str]:
    """Return the blocks of shell commands in the README's section, in order."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition(HEADING)[2].partition("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


@needs_bash
@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_the_worked_example_prints_what_the_readme_says(
    request: pytest.FixtureRequest, tmp_path: Path, store: str
) -> None:
    settings: dict[str, Any] = {"DATA": tmp_path}
    if store == "postgresql":
        settings["DATABASE_URL"] = request.getfixturevalue("new_database")()
    command = f'build-admin() {{ {shlex.quote(sys.executable)} {shlex.quote(str(ROOT / "app.py"))} "$@"; }}'
    with running("--sample", **settings) as service:
        service.create(id=2, status="running", host="elsewhere")
        service.create(id=3, status="success")
        blocks = [block.replace("http://127.0.0.1:8080", service.url) for block in example()]
        here: dict[str, Any] = {"BUILD_ADMIN_LISTEN": f"127.0.0.1:{service.port}", "BUILD_ADMIN_SIGNING_KEY": KEY}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"\necho '{SEPARATOR}'\n".join([command, *blocks])],
            cwd=tmp_path,
            env=surroundings(**here),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        _, _, stuck, preview, repair, looked, undone, found, previewed, repaired, builds, back = done.stdout.split(
            SEPARATOR + "\n"
        )
        assert [line.split()[0] for line in stuck.splitlines()] == ["ID", "1", "2"]
        assert preview.splitlines()[0] == f"1 build at {service.url}: 1 to change"
        assert '"running" -> "error"  "" -> "the worker died"  0 -> ' in preview
        assert repair.splitlines()[-1].startswith("Repair 1: changed 1 build. To undo this: build-admin undo-repair 1 ")
        assert "OPS-17\n" in looked
        assert "as repaired" in looked
        assert ", in repair 1\n" in looked
        assert '- status: "running"\n+ status: "error"\n' in looked
        assert 'status         "running"\n' in undone

        assert [item["build"] for item in json.loads(found)] == [STUCK, build(id=2, status="running", host="elsewhere")]
        assert json.loads(previewed)["changed"] == 1
        assert (json.loads(repaired)["repair"], json.loads(repaired)["by"]) == (3, "octokitty")
        assert [(one["id"], one["state"]) for one in json.loads(builds)] == [(1, "as repaired")]
        plan, undo = re.findall(r"^\{\n.*?^\}\n", back, re.DOTALL | re.MULTILINE)
        assert json.loads(plan)["builds"][0]["changes"]["status"] == {"from": "error", "to": "running"}
        assert json.loads(undo)["undoes"] == 3
        assert service.find(1) == STUCK


@pytest.mark.parametrize(
    "name", ["README.md", "docs/reference.md", "deploy/README.md", "CONTRIBUTING.md", "SECURITY.md"]
)
def test_every_link_leads_to_a_file_and_a_heading_in_it(name: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", (ROOT / name).read_text(encoding="utf-8"))
    assert links
    for file, anchor in links:
        target = (ROOT / name).parent / file if file else ROOT / name
        assert target.exists(), file
        if anchor:
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [re.sub("[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles], anchor
