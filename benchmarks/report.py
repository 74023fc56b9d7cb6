"""Reports of the comparison as Markdown and as JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.comparison import LOADS, Outcome, Result
from benchmarks.contenders import SERVICE
from benchmarks.load import Load

#: Goals for overwrites by database: the share of the ceiling, and the ratio to the best peer.
_GOALS = {"SQLite": (0.6, 2.5), "PostgreSQL": (0.4, 1.5)}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table whose first column is text and whose other columns are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def markdown(surroundings: Mapping[str, str], rounds: int, seconds: float, results: Sequence[Result]) -> str:
    """Return the report as Markdown."""
    puts = [connections for method, connections in LOADS if method == "PUT"]
    throughput = table(
        ["", *[f"PUT, {connections}" for connections in puts], "GET, 8"],
        [
            [one.label, *[_rate(one.outcome("PUT", connections)) for connections in puts], _rate(one.outcome("GET", 8))]
            for one in results
        ],
    )
    latency = table(
        ["p50 / p99, ms", *[f"PUT, {connections}" for connections in puts], "GET, 8"],
        [
            [
                one.label,
                *[_times(one.outcome("PUT", connections)) for connections in puts],
                _times(one.outcome("GET", 8)),
            ]
            for one in results
        ],
    )
    footprint = table(
        ["", "start, s", "memory idle, MB", "after the loads, MB", "installed, MB"],
        [
            [one.label, f"{one.start:.2f}", *[f"{value / 1e6:.0f}" for value in (one.idle, one.loaded, one.installed)]]
            for one in results
        ],
    )
    where = "; ".join(f"{name}: {value}" for name, value in surroundings.items())
    return (
        f"Medians of {rounds} rounds of {seconds:g} s. {where}.\n\n"
        f"Responses a second by method and connections, and as a share of the ceiling's in the same round:\n\n"
        f"{throughput}\n{latency}\n{footprint}\n{_goals(results)}"
    )


def dump(surroundings: Mapping[str, str], rounds: int, seconds: float, results: Sequence[Result]) -> str:
    """Return all results as JSON; rates are responses a second, times milliseconds, sizes bytes."""
    document = {
        "surroundings": dict(surroundings),
        "rounds": rounds,
        "seconds": seconds,
        "results": [asdict(result) for result in results],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def load(file: Path) -> tuple[dict[str, str], int, float, list[Result]]:
    """Return the results in a file that `dump` has written."""
    document = json.loads(file.read_text(encoding="utf-8"))
    results = [_result(**one) for one in document["results"]]
    return document["surroundings"], document["rounds"], document["seconds"], results


def _result(outcomes: list[dict[str, Any]], **values: Any) -> Result:
    read = [Outcome(**{**one, "rounds": [Load(**load) for load in one["rounds"]]}) for one in outcomes]
    return Result(**values, outcomes=read)


def _rate(outcome: Outcome) -> str:
    if outcome.failures:
        return f"invalid: {outcome.failures} failures"
    return f"{outcome.rate:,.0f} ({outcome.of_ceiling:.2f})"


def _times(outcome: Outcome) -> str:
    return f"{outcome.p50:.1f} / {outcome.p99:.1f}"


def _goals(results: Sequence[Result]) -> str:
    """Return a table of the service's results at 8 connections and their goals."""
    rows = []
    for service in (one for one in results if one.name == SERVICE):
        of_ceiling, of_peer = _GOALS[service.database]
        put, get = service.outcome("PUT", 8), service.outcome("GET", 8)
        if put.failures or get.failures:
            continue
        peers = [one for one in results if one.database == service.database and one is not service]
        rows.append([f"{service.database}: PUT, share of the ceiling", f"{put.of_ceiling:.2f}", f"≥ {of_ceiling}"])
        if best := max((one.outcome("PUT", 8).rate for one in peers), default=0.0):
            rows.append([f"{service.database}: PUT, times the best peer", f"{put.rate / best:.2f}", f"≥ {of_peer}"])
        rows.append([f"{service.database}: PUT, p99 / p50", f"{put.p99 / put.p50:.1f}", "≤ 3"])
        rows.append([f"{service.database}: GET, share of the ceiling", f"{get.of_ceiling:.2f}", "≥ 0.8"])
    return f"At 8 connections:\n\n{table(['', 'reached', 'goal'], rows)}" if rows else ""
