"""Listing: the stored builds, filtered and a page at a time, newest id first."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from build_admin.models.build import Build, StoredBuild, from_row
from build_admin.models.filters import Filters
from build_admin.models.repos import Repos
from build_admin.models.selection import COUNT, select
from build_admin.models.stores.database import Database
from build_admin.models.stores.statement import rows
from build_admin.models.stores.tables import Columns


@dataclass(frozen=True)
class Page:
    """A page of what is listed.

    Attributes:
        items: what is on this page.
        total: how many there are on all pages; None where they are not counted, and this page is not the last.

    """

    items: list[Any]
    total: int | None


class Listing:
    """The builds in a database, to be looked through."""

    def __init__(self, database: Database, columns: Columns) -> None:
        self._database = database
        self._repos = Repos(database)
        self._columns = columns
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
        offset = min((page - 1) * per_page, 2**62)  # no table is so long, and no database takes much more
        return self._database.snapshot(partial(self._page, filters, offset, per_page))

    def _page(self, filters: Filters, offset: int, limit: int) -> Page:
        filters = filters.with_repo_id(self._repos)
        selected = select(self._database, self._columns, filters, Build.id)
        query, total = selected.query, None
        if selected.many:
            # One more than the page has tells whether there is another page.
            page = query.order_by(*selected.newest_first).offset(offset).limit(limit + 1)
            ids = rows(self._database, page)
            if len(ids) <= limit:
                total = offset + len(ids) if ids or not offset else query.select(COUNT).scalar(self._database)
        else:
            found = sorted(rows(self._database, query), reverse=True)
            ids, total = found[offset:], len(found)
        if not ids:
            return Page([], total)
        whole = Build.select(*self._fields).where(Build.id << [build_id for (build_id,) in ids[:limit]])
        return Page(sorted(self._builds(whole), key=lambda build: -build["id"]), total)

    def _builds(self, query: Any) -> list[StoredBuild]:
        return [from_row(dict(zip(self._names, row, strict=True))) for row in rows(self._database, query)]
