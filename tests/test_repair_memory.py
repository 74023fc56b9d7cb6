"""The memory for repairs of builds with long texts is bounded."""

from collections.abc import Iterator
from typing import Any

import pytest
from test_faults import limit

from build_admin.models.build import Build
from build_admin.schemas.sample import SAMPLE
from platforms import needs_limits, needs_memory_figures
from service import REPAIRS, Service, peak, running
from vela import Tables

#: Every text field of a build at its limit, in characters of four bytes: 40 KB.
LONG = {
    name: "💩" * field.max_length
    for name, field in Build._meta.fields.items()
    if name in SAMPLE and name != "status" and hasattr(field, "max_length")
}

#: The number of builds, and the least number of bytes of a preview of all of them.
COUNT = 2000
SIZE = COUNT * 40_000


@pytest.fixture(params=["sqlite", "postgresql"])
def long(request: pytest.FixtureRequest, data: Any) -> Iterator[Service]:
    """A service on builds that each have a different long title."""
    settings = {"DATA": data}
    if request.param == "postgresql":
        settings["DATABASE_URL"] = request.getfixturevalue("new_database")()
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {COUNT}) SELECT i FROM n"
    with running(**settings) as service:
        Tables(settings).execute(
            "INSERT INTO builds (id, repo_id, number, status, title) "
            f"SELECT i, 1, i, 'running', i || CAST(? AS text) FROM ({numbers}) AS n",
            ["💩" * 990],
        )
        yield service


@needs_memory_figures
def test_a_repair_of_long_texts_and_its_undo_take_little_memory(long: Service) -> None:
    before = peak(long), long.find(7)
    document = {"where": {"repo_id": 1}, "set": LONG, "reason": "x"}
    answer = long.post(f"{REPAIRS}?dry_run=true", document)
    assert int(answer.headers["Content-Length"]) == len(answer.body) > SIZE
    plan = answer.json
    assert list(plan) == ["selected", "changed", "unchanged", "alive", "builds"]
    assert (plan["changed"], len(plan["builds"])) == (COUNT, COUNT)
    assert plan["builds"][-1]["changes"]["title"] == {"from": f"{COUNT}{'💩' * 990}", "to": LONG["title"]}

    made = long.repair({"ids": [*range(1, 201)]}, LONG).json
    assert long.find(7) == before[1] | LONG
    assert long.undo(made["repair"]).json["changed"] == 200
    assert long.find(7) == before[1]
    # The peak does not grow with the number of builds.
    assert peak(long) - before[0] < 100_000_000


@needs_limits
@pytest.mark.parametrize("long", ["sqlite"], indirect=True)
def test_a_preview_that_does_not_fit_on_the_disk_is_503(long: Service) -> None:
    limit(long, "RLIMIT_FSIZE", 1_000_000)
    document = {"where": {"repo_id": 1}, "set": LONG, "reason": "x"}
    answer = long.post(f"{REPAIRS}?dry_run=true", document)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
    assert "narrow 'where' down" in answer.json["error"]
    short = {"where": {"ids": [1]}, "set": LONG, "reason": "x"}
    assert long.post(f"{REPAIRS}?dry_run=true", short).status == 200
