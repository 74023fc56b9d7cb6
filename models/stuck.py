"""Stuck: the builds that wait or run for too long, and what speaks for or against each being dead."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from peewee import Case, fn

from build_admin.models.build import Build, from_row
from build_admin.models.filters import SINCE, Filters
from build_admin.models.repos import Repos
from build_admin.models.selection import COUNT, select
from build_admin.models.stores.database import Database
from build_admin.models.stores.statement import rows
from build_admin.models.stores.tables import Columns
from build_admin.models.workers import Workers, instant


@dataclass(frozen=True)
class StuckBuild:
    """A build that is stuck.

    Attributes:
        build: the build.
        since: Unix seconds at which it was created (pending) or started (running); 0 if that was never set.
        evidence: a sentence for each fact that speaks for or against it being dead; the first is its age.
        alive: whether a worker that has checked in lately says that it runs the build.

    """

    build: dict[str, Any]
    since: int
    evidence: list[str]
    alive: bool


class Stuck:
    """The stuck builds in a database."""

    def __init__(self, database: Database, columns: Columns) -> None:
        self._database = database
        self._repos = Repos(database)
        self._columns = columns
        self._names = columns.names
        self._fields = [Build._meta.fields[name] for name in columns.names]

    def page(self, filters: Filters, page: int, per_page: int) -> tuple[list[StuckBuild], int]:
        """Return a page of the builds that pass `filters`, longest stuck first, and how many there are on all pages.

        Args:
            filters: what is asked for; `stuck_before` is among it.
            page: which page, the first is 1.
            per_page: how many builds a page has.

        Raises:
            RepoUnknown: no repository has the name that is asked for.
            peewee.DatabaseError: the database cannot be read.

        """
        return self._database.snapshot(partial(self._page, filters, (page - 1) * per_page, per_page))

    def _page(self, filters: Filters, offset: int, limit: int) -> tuple[list[StuckBuild], int]:
        query = select(self._database, self._columns, filters.with_repo_id(self._repos), *self._fields).query
        total: int = query.select(COUNT).scalar(self._database)
        if offset >= total:
            return [], total
        since = Case(Build.status, [(status, fn.COALESCE(field, 0)) for status, field in SINCE.items()])
        page = query.order_by(since, Build.id).offset(offset).limit(limit)
        builds = [from_row(dict(zip(self._names, row, strict=True))) for row in rows(self._database, page)]
        workers = Workers(self._database)
        evidence = workers.evidence(builds)
        return [
            StuckBuild(
                build,
                build[SINCE[build["status"]].name],
                [_age(build), *evidence[build["id"]]],
                build["id"] in workers.alive,
            )
            for build in builds
        ], total


def _age(build: dict[str, Any]) -> str:
    field = SINCE[build["status"]].name
    if not build[field]:
        return f"{build['status']}, and it was never set when it was {field}"
    return f"{build['status']} since {instant(build[field])}"
