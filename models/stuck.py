"""Stuck: lists the builds that have been pending or running for too long, with evidence for each."""

from dataclasses import dataclass
from typing import Any

from peewee import Case, fn

from build_admin.models.build import Build
from build_admin.models.filters import SINCE, Filters
from build_admin.models.listing import Listing, Page
from build_admin.models.selection import COUNT, select
from build_admin.models.workers import Workers, instant


@dataclass(frozen=True)
class StuckBuild:
    """A build that is stuck.

    Attributes:
        build: the build.
        since: when it was created (pending) or started (running), in Unix seconds; 0 if that was never set.
        evidence: sentences for or against it being dead; the first is its age.
        alive: whether it is running according to a worker that is alive.

    """

    build: dict[str, Any]
    since: int
    evidence: list[str]
    alive: bool


class Stuck(Listing):
    """Lists the stuck builds in a database, longest stuck first. The filters must have `stuck_before`."""

    def _page(self, filters: Filters, offset: int, limit: int) -> Page:
        query = select(self._database, self._columns, filters, *self._columns.fields).query
        total: int = query.select(COUNT).scalar(self._database)
        if offset >= total:
            return Page([], total)
        since = Case(Build.status, [(status, fn.COALESCE(field, 0)) for status, field in SINCE.items()])
        builds = self._builds(query.order_by(since, Build.id).offset(offset).limit(limit))
        workers = Workers(self._database)
        evidence = workers.evidence(builds)
        stuck = [
            StuckBuild(
                build,
                build[SINCE[build["status"]].name],
                [_age(build), *evidence[build["id"]]],
                build["id"] in workers.alive,
            )
            for build in builds
        ]
        return Page(stuck, total)


def _age(build: dict[str, Any]) -> str:
    field = SINCE[build["status"]].name
    if not build[field]:
        return f"{build['status']}, and it was never set when it was {field}"
    return f"{build['status']} since {instant(build[field])}"
