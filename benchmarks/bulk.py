"""Compare import and export with sqlite-utils, `sqlite3 -json` and PostgreSQL's COPY, in pairs.

The two commands of a pair run one after the other. The medians of the ratios are printed: of the wall clock, and of the
processor time of the client if the peer is a process too. Neither side keeps what it exports. `make bench-bulk` runs
it; sqlite3 must be installed.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from benchmarks.databases import postgresql
from benchmarks.surroundings import keep_bytecode
from build_admin.schemas.build import BuildSchema
from build_admin.schemas.document import load_object
from build_admin.schemas.sample import SAMPLE

_APP = Path(__file__).parent.parent / "app.py"

#: Seconds of wall clock, and seconds of the client's processor time.
Took = tuple[float, float]


def main() -> None:
    """Print the ratio of each pair."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--builds", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sqlite-utils", default="sqlite-utils", help="the program sqlite-utils")
    options = parser.parse_args()
    keep_bytecode()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:
        folder = Path(made)
        with (folder / "lines").open("w", encoding="utf-8") as file:
            for number in range(1, options.builds + 1):
                file.write(json.dumps(SAMPLE | {"id": number, "number": number}) + "\n")
        with postgresql("", folder / "server") as new_database:
            ratios: dict[str, list[Took]] = {}
            for number in range(options.rounds):
                place = folder / str(number)
                place.mkdir()
                _sqlite(place, folder / "lines", options.sqlite_utils, ratios)
                _postgresql(place, folder / "lines", new_database, ratios)
    for name, pairs in ratios.items():
        wall, processor = (statistics.median(ratio) for ratio in zip(*pairs, strict=True))
        print(f"{name:52} {wall:5.2f}" + ("" if math.isnan(processor) else f"  processor {processor:5.2f}"))


def _sqlite(place: Path, lines: Path, sqlite_utils: str, ratios: dict[str, list[Took]]) -> None:
    own, file = {"DATA": str(place / "own")}, str(place / "own" / "builds.sqlite3")
    peer = [sqlite_utils, "insert", str(place / "peer.db"), "builds", str(lines), "--nl", "--pk", "id"]
    _pair(ratios, "import / sqlite-utils insert --nl", _service(own, "import", str(lines)), _run(peer))
    for option in ([], ["--revisions"]):
        both = "SELECT * FROM builds;" + ("SELECT * FROM build_revisions" if option else "")
        name = f"{' '.join(['export', *option])} / sqlite3 -json"
        _pair(ratios, name, _service(own, "export", *option), _run(["sqlite3", "-json", file, both]))
    _service(own, "export", "--revisions", str(place / "all"))
    again = _service({"DATA": str(place / "again")}, "import", str(place / "all"))
    peer[2] = str(place / "again.db")
    _pair(ratios, "import with revisions / sqlite-utils, builds alone", again, _run(peer))


def _postgresql(place: Path, lines: Path, new_database: Callable[[], str], ratios: dict[str, list[Took]]) -> None:
    own, other = new_database(), new_database()
    settings = {"DATA": str(place), "DATABASE_URL": own}
    (place / "empty").touch()
    _service(settings | {"DATABASE_URL": other}, "import", str(place / "empty"))
    taken = _service(settings, "import", str(lines))
    queries = {table: f"SELECT row_to_json(t) FROM {table} t" for table in ("builds", "build_revisions")}
    with psycopg.connect(own, autocommit=True) as full, psycopg.connect(other, autocommit=True) as empty:
        copies = {table: b"".join(map(bytes, _copied(full, table))) for table in queries}
        began = time.monotonic()
        for table, data in copies.items():
            with empty.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copy:
                copy.write(data)
        copied = time.monotonic() - began
        _pair(ratios, "import to PostgreSQL / COPY of both tables", taken, (copied, math.nan))
        _pair(ratios, "the same / COPY, and the check of each line", taken, (copied + _checked(lines), math.nan))
        for name, option, tables in (("export", [], ["builds"]), ("export --revisions", ["--revisions"], [*queries])):
            taken = _service(settings, "export", *option)
            began = time.monotonic()
            for table in tables:
                for _ in _copied(full, f"({queries[table]})"):
                    pass
            _pair(ratios, f"{name} from PostgreSQL / COPY of row_to_json", taken, (time.monotonic() - began, math.nan))


def _checked(lines: Path) -> float:
    """Return the seconds that the check of each line takes by itself."""
    schema = BuildSchema()
    began = time.monotonic()
    with lines.open("rb") as file:
        for line in file:
            schema.load(load_object(line))
    return time.monotonic() - began


def _copied(connection: psycopg.Connection, what: str) -> list[bytes]:
    with connection.cursor().copy(f"COPY {what} TO STDOUT".encode()) as copy:
        return [bytes(data) for data in copy]


def _pair(ratios: dict[str, list[Took]], name: str, own: Took, peer: Took) -> None:
    ratios.setdefault(name, []).append((own[0] / peer[0], own[1] / peer[1]))


def _service(settings: dict[str, str], *arguments: str) -> Took:
    environment = os.environ | {f"BUILD_ADMIN_{name}": value for name, value in settings.items()}
    return _run([sys.executable, str(_APP), *arguments], environment)


def _run(command: list[str], environment: dict[str, str] | None = None) -> Took:
    began = time.monotonic()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=environment, **quiet)  # type: ignore[call-overload]
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{command[0]} has failed")
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
