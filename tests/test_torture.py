"""A few rounds of `make torture`, `make torture-repairs` and `make soak`."""

from pathlib import Path
from typing import Any

from platforms import needs_signals
from postgresql import postgresql
from soak import soak
from torture import kill_postgresql, kill_the_service
from torture_repairs import kill_in_repairs, kill_postgresql_in_repairs


def test_killing_the_service_on_sqlite_loses_nothing(data: Path) -> None:
    figures = kill_the_service(6, data)
    assert figures.faults == []
    assert figures.acknowledged > 0


def test_killing_the_service_on_postgresql_loses_nothing(data: Path, new_database: Any) -> None:
    figures = kill_the_service(3, data, new_database())
    assert figures.faults == []
    assert figures.acknowledged > 0


@needs_signals
def test_killing_postgresql_loses_nothing(data: Path) -> None:
    with postgresql() as server:
        figures = kill_postgresql(2, data, server)
    assert figures.faults == []
    assert figures.acknowledged > 0


def test_killing_the_service_on_sqlite_leaves_no_partial_repair(data: Path) -> None:
    figures = kill_in_repairs(4, data)
    assert figures.faults == []
    assert figures.acknowledged >= figures.kills > 0


def test_killing_the_service_on_postgresql_leaves_no_partial_repair(data: Path, new_database: Any) -> None:
    figures = kill_in_repairs(3, data, new_database())
    assert figures.faults == []
    assert figures.acknowledged >= figures.kills > 0


@needs_signals
def test_killing_postgresql_leaves_no_partial_repair(data: Path) -> None:
    with postgresql() as server:
        figures = kill_postgresql_in_repairs(2, data, server)
    assert figures.faults == []
    assert figures.acknowledged >= figures.kills > 0


def test_a_soak_on_sqlite_gets_the_expected_responses_and_loses_nothing(data: Path) -> None:
    figures, _ = soak(1_200, 120, data)
    assert figures.faults == []


def test_a_soak_on_postgresql_gets_the_expected_responses_and_loses_nothing(data: Path, new_database: Any) -> None:
    figures, _ = soak(1_200, 120, data, new_database())
    assert figures.faults == []
