"""The single file build-admin.pyz, run by an interpreter that has no packages."""

import subprocess
import venv
from pathlib import Path

from service import ROOT, environment, running
from signals import STOP, send


def test_the_single_file_runs_without_packages(tmp_path: Path, single_file: Path) -> None:
    assert single_file.stat().st_size < 2_000_000
    venv.create(tmp_path / "bare", with_pip=False)
    (python,) = [*(tmp_path / "bare").glob("bin/python"), *(tmp_path / "bare").glob("Scripts/python.exe")]

    def run(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        command = [str(python), "-I", str(single_file), *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment(**settings), capture_output=True, text=True)

    (tmp_path / "one").write_bytes((ROOT / "tests" / "build.json").read_bytes().replace(b"\n", b""))
    assert run("import", "one").stdout.startswith("imported 1 builds")
    assert run("export").stdout.count("\n") == 1
    serving = (str(python), "-I", str(single_file))
    with running("--sample", program=serving, DATA=str(tmp_path / "served")) as service:
        sample = (ROOT / "tests" / "build.json").read_bytes()
        assert service.get("/ready").json == {"ready": True}
        service.token = run("token", "octokitty").stdout.strip()
        answer = service.put(sample)
        assert (answer.status, answer.body) == (200, sample)
        assert service.get("/openapi.json").json["paths"]
        assert service.get("/metrics").status == 404
        assert b'src="page/main.js"' in service.get("/").body
        assert service.get("/page/views/stuck.js").status == 200
        send(service.process, STOP)
        assert service.process.wait(30) == 0
    without = run("check", DATABASE_URL="postgresql://localhost/x")
    assert (without.returncode, "psycopg" in without.stderr) == (1, True)
