"""The README's worked example: each line of it is run by a shell, against a running service."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from build_admin.schemas.sample import SAMPLE
from service import ROOT, build, environment, running

HEADING = "## A stuck build, from finding to undoing\n"
SEPARATOR = "--- the next block ---"


def example() -> list[str]:
    """Return the blocks of shell commands in the README's section, in order."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition(HEADING)[2].partition("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_the_worked_example_works(request: pytest.FixtureRequest, tmp_path: Path, store: str) -> None:
    settings: dict[str, Any] = {"DATA": tmp_path}
    if store == "postgresql":
        settings["DATABASE_URL"] = request.getfixturevalue("new_database")()
    command = f'build-admin() {{ {shlex.quote(sys.executable)} {shlex.quote(str(ROOT / "app.py"))} "$@"; }}'
    with running("--sample", **settings) as service:
        service.create(id=2)
        service.put(build(id=2, status="success"))
        blocks = [block.replace("http://127.0.0.1:8080", service.url) for block in example()]
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"\necho '{SEPARATOR}'\n".join([command, *blocks])],
            cwd=tmp_path,
            env=environment(**settings),
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        _, variables, found, read, edited, overwritten, revisions, undone = done.stdout.split(SEPARATOR + "\n")
        assert variables == read == edited == ""
        assert json.loads(found) == [SAMPLE]
        fixed = json.loads(overwritten)
        assert fixed == SAMPLE | {"status": "error", "error": "the worker died", "finished": fixed["finished"]}
        assert fixed["finished"] > SAMPLE["started"]
        second, first = json.loads(revisions)
        assert (second["revision"], second["by"], set(second["changes"])) == (
            2,
            "octokitty",
            {"status", "error", "finished"},
        )
        assert first["revision"] == 1
        # The build as it was, then what `diff` finds: nothing.
        assert json.loads(undone) == SAMPLE
        assert service.find(1) == SAMPLE
