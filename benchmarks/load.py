"""Running the load generator, and its results."""

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
    """The results of a load.

    Attributes:
        rate: responses a second.
        p50: the median response time in milliseconds.
        p99: the 99th percentile of the response times in milliseconds.
        failures: the number of responses with an error and of requests without a response.

    """

    rate: float
    p50: float
    p99: float
    failures: int = 0


def token(subject: str = "octokitty", key: str = SIGNING_KEY) -> str:
    """Return an administrator's token, as a Vela server issues it, that is valid for a day."""
    now = int(time.time())
    claims = {"token_type": "UserAccess", "is_active": True, "is_admin": True}
    return jwt.encode({"sub": subject, "iat": now, "exp": now + 86_400, **claims}, key, algorithm="HS256")


def template() -> str:
    """Return the sample build as JSON, with placeholders for the fields in which the builds of `fill` differ."""
    created = f"@{SAMPLE['created']}+id@"
    text = json.dumps(SAMPLE | {"id": "@id@", "number": "@id@", "created": created, "message": "@message@"}, indent=0)
    return text.replace('"@id@"', "@id@").replace(f'"{created}"', created)


@dataclass
class Generator:
    """The load generator: wrk if it is installed, else `generator.py`.

    Attributes:
        folder: an existing folder for the template of requests.
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
        """The name of the load generator."""
        return "wrk" if self.wrk else "generator.py"

    def start(self, url: str, method: str, connections: int, seconds: float, ids: int) -> "subprocess.Popen[str]":
        """Start to load the server at `url` with PUT or GET of random builds 1 to `ids`; every PUT is a change."""
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
        """Return the results of a load of `seconds`. Raises RuntimeError if the generator fails."""
        try:
            output, _ = process.communicate(timeout=seconds + 30)
        finally:
            process.kill()
        if process.returncode:
            raise RuntimeError(f"{self.name} ended with status {process.returncode}: {output}")
        said = json.loads(output.splitlines()[-1])
        return Load(said["requests"] / said["seconds"], said["p50_ms"], said["p99_ms"], said["failures"])

    def run(self, url: str, method: str, connections: int, seconds: float, ids: int) -> Load:
        """Load the server at `url`, and return the results. Raises RuntimeError if the generator fails."""
        return self.finish(self.start(url, method, connections, seconds, ids), seconds)
