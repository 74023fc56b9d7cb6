"""Load: what a load generator is told, and what it says came of it."""

import itertools
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import jwt

from benchmarks import ROOT, SIGNING_KEY
from build_admin.schemas.sample import SAMPLE

OVERWRITE = "/api/v1/admin/build"
READ = "/api/v1/admin/builds"

_HERE = ROOT / "benchmarks"


@dataclass(frozen=True)
class Load:
    """What a server did under a load.

    Attributes:
        rate: answers a second.
        p50: the median of their times, in milliseconds.
        p99: the time that 99 of 100 are within, in milliseconds.
        failures: answers that were not a success, and requests that got none.

    """

    rate: float
    p50: float
    p99: float
    failures: int = 0


def token(subject: str = "octokitty", key: str = SIGNING_KEY) -> str:
    """Return an administrator's token, as a Vela server issues it, that is good for a day."""
    now = int(time.time())
    claims = {"token_type": "UserAccess", "is_active": True, "is_admin": True}
    return jwt.encode({"sub": subject, "iat": now, "exp": now + 86_400, **claims}, key, algorithm="HS256")


def template() -> str:
    """Return the sample build as JSON, with places for what differs between builds, as `fill` has it, and requests."""
    created = f"@{SAMPLE['created']}+id@"
    text = json.dumps(SAMPLE | {"id": "@id@", "number": "@id@", "created": created, "message": "@message@"}, indent=0)
    return text.replace('"@id@"', "@id@").replace(f'"{created}"', created)


@dataclass
class Generator:
    """Wrk if it is there, else `generator.py`; for a folder to keep the template in.

    Attributes:
        folder: an existing folder.
        wrk: the path of wrk, or None.

    """

    folder: Path
    wrk: str | None = field(default_factory=lambda: shutil.which("wrk"))

    def __post_init__(self) -> None:
        self._template = self.folder / "template.json"
        self._template.write_text(template(), encoding="utf-8")
        self._token = token()
        self._seeds = itertools.count(int(time.time()))

    @property
    def name(self) -> str:
        """What the load came from, for the report."""
        return "wrk" if self.wrk else "generator.py"

    def start(self, url: str, method: str, connections: int, seconds: float, ids: int) -> "subprocess.Popen[str]":
        """Begin to load the server at `url`: PUT or GET of random builds 1 to `ids`, every PUT a change."""
        address = url + (OVERWRITE if method == "PUT" else READ)
        told = [method, self._token, str(ids), str(next(self._seeds))]
        if method == "PUT":
            told.append(str(self._template))
        if self.wrk:
            options = ["-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "10s", "-s", str(_HERE / "wrk.lua")]
            command = [self.wrk, *options, address, "--", *told]
        else:
            command = [sys.executable, str(_HERE / "generator.py"), address, str(connections), str(seconds), *told]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def finish(self, process: "subprocess.Popen[str]", seconds: float) -> Load:
        """Return what came of a load of `seconds`. Raises RuntimeError where the generator failed."""
        try:
            output, _ = process.communicate(timeout=seconds + 30)
        finally:
            process.kill()
        if process.returncode:
            raise RuntimeError(f"{self.name} ended with status {process.returncode}: {output}")
        said = json.loads(output.splitlines()[-1])
        return Load(said["requests"] / said["seconds"], said["p50_ms"], said["p99_ms"], said["failures"])

    def run(self, url: str, method: str, connections: int, seconds: float, ids: int) -> Load:
        """Load the server at `url` and return what came of it. Raises RuntimeError where the generator failed."""
        return self.finish(self.start(url, method, connections, seconds, ids), seconds)
