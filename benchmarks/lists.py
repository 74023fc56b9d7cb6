"""The first page of lists by each filter and by each pair of filters, from tables of several sizes."""

import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from benchmarks.databases import SCATTERED, NewDatabase
from benchmarks.load import READ
from benchmarks.repairs import ask, served
from benchmarks.report import table
from build_admin.schemas.sample import SAMPLE

#: The number of the slowest lists in the report.
WORST = 8

#: The milliseconds of each round by list.
Taken = dict[str, list[float]]


def filters(count: int) -> list[str]:
    """Return the filters of a table of `count` builds, with values that many builds have and that few have."""
    first = int(SAMPLE["created"])
    times = {"newest": first + count * 99 // 100, "half": first + count // 2, "oldest": first + count // 100}
    values = {
        "status": ["running", "success", "failure", "pending,running", "killed"],
        "repo_id": ["1", "201", "999"],
        "number": ["500", "1"],
        "branch": ["main", "b778", "none"],
        "host": ["w7", "retired", "none"],
        "after": [str(time) for time in times.values()],
        "before": [str(time) for time in times.values()],
        "stuck_before": [str(time) for time in times.values()],
    }
    return [f"{name}={quote(value)}" for name, some in values.items() for value in some]


def measure(
    sizes: Sequence[int], folder: Path, new_database: NewDatabase, rounds: int, say: Callable[[str], None]
) -> dict[tuple[str, int], Taken]:
    """Return the times of each list by database and number of builds. Raises RuntimeError if a request fails."""
    found: dict[tuple[str, int], Taken] = {}
    for database, size in itertools.product(("SQLite", "PostgreSQL"), sizes):
        say(f"lists of {size:,} builds on {database}")
        some = filters(size)
        pairs = [f"{one}&{other}" for one, other in itertools.combinations(some, 2) if _name(one) != _name(other)]
        lists = ["", *some, *pairs]
        place = folder / f"{database}-{size}"
        with served(database, place, new_database, size, values=SCATTERED) as server:
            found[database, size] = {query: [] for query in lists}
            for _, query in itertools.product(range(rounds), lists):
                found[database, size][query].append(ask(server.url, "GET", f"{READ}?{query}")[0] * 1000)
    return found


def _name(parameter: str) -> str:
    return parameter.partition("=")[0]


def markdown(surroundings: Mapping[str, str], found: Mapping[tuple[str, int], Taken]) -> str:
    """Return the report as Markdown: the median list and the slowest lists of each database and size."""
    where = "; ".join(f"{name}: {value}" for name, value in surroundings.items())
    rows, worst = [], []
    for (database, size), taken in found.items():
        medians = {query: statistics.median(times) for query, times in taken.items()}
        one = {query: time for query, time in medians.items() if "&" not in query}
        slow = sorted(medians, key=lambda query: -medians[query])[:WORST]
        over = sum(time > 50 for time in medians.values())
        cells = [statistics.median(medians.values()), max(one.values()), max(medians.values())]
        rows.append([database, f"{size:,}", str(len(medians)), *(f"{time:.0f} ms" for time in cells), str(over)])
        worst += [[database, f"{size:,}", f"`{query}`", f"{medians[query]:.0f} ms"] for query in slow]
    heads = ["", "builds", "lists", "median", "worst by one filter", "worst by two", "over 50 ms"]
    return (
        f"The first page of ten builds, over HTTP; medians of the rounds. {where}.\n\n{table(heads, rows)}\n"
        f"{table(['', 'builds', 'the slowest', ''], worst)}"
    )
