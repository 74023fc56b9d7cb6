"""Listing: the stored builds, filtered and a page at a time, newest id first."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from peewee import SQL, fn

from build_admin.models.build import Build, from_row
from build_admin.models.filters import Filters
from build_admin.models.repos import Repos
from build_admin.models.stores.database import Database
from build_admin.models.stores.statement import rows
from build_admin.models.stores.tables import Columns

#: So many builds at most are sorted to find a page of them. More than that are walked in the order of their ids, where
#: a page is soon found; few could be anywhere in the table.
_SORTED = 10_000


@dataclass(frozen=True)
class Page:
    """A page of what is listed.

    Attributes:
        items: what is on this page.
        total: how many there are on all pages.

    """

    items: list[dict[str, Any]]
    total: int


class Listing:
    """The builds in a database, to be looked through."""

    def __init__(self, database: Database, columns: Columns) -> None:
        self._database = database
        self._repos = Repos(database)
        self._names = columns.names
        self._fields = [Build._meta.fields[name] for name in columns.names]

    def page(self, filters: Filters, page: int, per_page: int) -> Page:
        """Return a page of the builds that pass `filters`; one beyond the last is empty.

        Args:
            filters: what is asked for.
            page: which page, the first is 1.
            per_page: how many builds a page has.

        Raises:
            RepoUnknown: no repository has the name that is asked for.
            peewee.DatabaseError: the database cannot be read.

        """
        return self._database.snapshot(partial(self._page, filters, (page - 1) * per_page, per_page))

    def _page(self, filters: Filters, offset: int, limit: int) -> Page:
        filters = filters.with_repo_id(self._repos)
        total: int = filters.applied_to(Build.select(fn.COUNT(SQL("*")))).scalar(self._database)
        limit = min(limit, total - offset)
        if limit <= 0:
            return Page([], total)
        ids = filters.applied_to(Build.select(Build.id)).limit(limit)
        if total <= _SORTED:
            # An order that no index has: where few builds pass, their ids are sorted instead of all builds walked.
            ids = ids.order_by((Build.id + 0).desc()).offset(offset)
        elif offset <= total // 2:
            ids = ids.order_by(Build.id.desc()).offset(offset)
        else:
            ids = ids.order_by(Build.id).offset(total - offset - limit)
        query = Build.select(*self._fields).where(Build.id << ids)
        builds = [from_row(dict(zip(self._names, row, strict=True))) for row in rows(self._database, query)]
        return Page(sorted(builds, key=lambda build: -build["id"]), total)
