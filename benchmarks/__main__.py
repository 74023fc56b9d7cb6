"""The command `python -m benchmarks`, which `make bench` and `make bench-growth` run."""

import argparse
import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from benchmarks import ROOT, growth, hot, lists, plot, repairs, report
from benchmarks.comparison import LOADS, compare
from benchmarks.contenders import CONTENDERS
from benchmarks.databases import NewDatabase, postgresql
from benchmarks.load import Generator
from benchmarks.surroundings import keep_bytecode, surroundings

RESULTS = ROOT / "benchmarks" / "results"


def main() -> int:
    """Run the command, and return its exit status: 1 if a result is invalid, 2 if the benchmark has failed."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    keep_bytecode()
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    except RuntimeError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2


def _interrupt(signal_number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="how long each load lasts (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="how many times each load is measured (%(default)s)")
    parser.add_argument("--postgres-url", default="", help="a PostgreSQL server to use; one is started if left out")
    parser.add_argument("--data", type=Path, default=None, help="the folder of the databases; /var/tmp if it exists")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the results are written")
    commands = parser.add_subparsers(title="commands", required=True)
    comparison = commands.add_parser("compare", help="the ceiling, the service and its peers")
    comparison.add_argument("--only", nargs="+", default=[""], help="contenders whose label contains one of these")
    comparison.add_argument("--peers-python", type=Path, default=ROOT / ".venv-bench" / "bin" / "python")
    comparison.set_defaults(run=_compare)
    growing = commands.add_parser("growth", help="the service with more builds, and with more processes")
    growing.add_argument("--builds", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    growing.set_defaults(run=_growth)
    repairing = commands.add_parser("repairs", help="repairs of 10,000 builds")
    repairing.set_defaults(run=_repairs)
    listing = commands.add_parser("lists", help="the first page by each filter and each two, of more and more builds")
    listing.add_argument("--builds", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    listing.set_defaults(run=_lists)
    heating = commands.add_parser("hot", help="overwrites of a single build on PostgreSQL, and pgbench's")
    heating.set_defaults(run=_hot)
    redraw = commands.add_parser("plot", help="draw the plot and the table of the last comparison again")
    redraw.set_defaults(run=_plot)
    return parser


@contextlib.contextmanager
def _place(options: argparse.Namespace) -> Iterator[tuple[Path, NewDatabase]]:
    """Yield an empty folder and a function that creates PostgreSQL databases; remove both at the end."""
    # /tmp may be in memory, where a sync costs nothing. /var/tmp is on a disk.
    parent = options.data or (Path("/var/tmp") if Path("/var/tmp").is_dir() else None)
    with tempfile.TemporaryDirectory(dir=parent, prefix="build-admin-bench-") as name:
        server = Path(name) / "postgresql"
        server.mkdir()
        with postgresql(options.postgres_url, server) as new_database:
            yield Path(name), new_database


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _compare(options: argparse.Namespace) -> int:
    others = [one for one in CONTENDERS[1:] if any(name.lower() in one.label.lower() for name in options.only)]
    contenders = [CONTENDERS[0], *others]
    minutes = len(contenders) * len(LOADS) * options.rounds * (options.seconds + 0.2) / 60 + 1
    _say(f"{len(contenders)} contenders, {options.rounds} rounds: about {minutes:.0f} minutes")
    with _place(options) as (folder, new_database):
        where = surroundings(folder, new_database, Generator(folder).name)
        peers_python = options.peers_python.absolute()
        results = compare(contenders, folder, peers_python, new_database, options.rounds, options.seconds, _say)
    options.results.mkdir(parents=True, exist_ok=True)
    text = report.dump(where, options.rounds, options.seconds, results)
    (options.results / "comparison.json").write_text(text, encoding="utf-8")
    return _plot(options)


def _plot(options: argparse.Namespace) -> int:
    where, rounds, seconds, results = report.load(options.results / "comparison.json")
    table = report.markdown(where, rounds, seconds, results)
    (options.results / "comparison.md").write_text(table, encoding="utf-8")
    caption = (
        f"Medians of {rounds} rounds of {seconds:g} s, {where['date']}: {where['processor']}, shared with the load "
        f"generator; a sync of the disk takes {where['sync of the disk']}."
    )
    (options.results / "comparison.svg").write_text(plot.svg(results, caption), encoding="utf-8")
    print(table)
    return int(any(outcome.failures for result in results for outcome in result.outcomes))


def _growth(options: argparse.Namespace) -> int:
    with _place(options) as (folder, new_database):
        where = surroundings(folder, new_database, Generator(folder).name)
        points = growth.grow(options.builds, folder, new_database, options.rounds, options.seconds, _say)
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / "growth.json").write_text(growth.dump(where, points), encoding="utf-8")
    table = growth.markdown(where, points)
    (options.results / "growth.md").write_text(table, encoding="utf-8")
    print(table)
    return int(any(load.failures for point in points for loads in point.loads.values() for load in loads))


def _repairs(options: argparse.Namespace) -> int:
    with _place(options) as (folder, new_database):
        where = surroundings(folder, new_database, Generator(folder).name)
        found = repairs.measure(folder, new_database, options.rounds, options.seconds, _say)
    return _write(options, "repairs.md", repairs.markdown(where, found))


def _lists(options: argparse.Namespace) -> int:
    with _place(options) as (folder, new_database):
        where = surroundings(folder, new_database, Generator(folder).name)
        found = lists.measure(options.builds, folder, new_database, options.rounds, _say)
    return _write(options, "lists.md", lists.markdown(where, found))


def _hot(options: argparse.Namespace) -> int:
    with _place(options) as (folder, new_database):
        where = surroundings(folder, new_database, Generator(folder).name)
        found = hot.measure(folder, new_database, options.rounds, options.seconds, _say)
    return _write(options, "hot.md", hot.markdown(where, found))


def _write(options: argparse.Namespace, name: str, report: str) -> int:
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / name).write_text(report, encoding="utf-8")
    print(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
