"""Listing: pages of the stored builds that pass filters, newest id first."""

from dataclasses import dataclass
from typing import Any

from build_admin.models.build import Build, StoredBuild
from build_admin.models.filters import Filters
from build_admin.models.repos import Repos
from build_admin.models.selection import COUNT, select
from build_admin.models.stores.database import Database
from build_admin.models.stores.statement import rows
from build_admin.models.stores.tables import Columns


@dataclass(frozen=True)
class Page:
    """A page of a list.

    Attributes:
        items: the items on this page.
        total: the number of items on all pages; None if they are not counted and this page is not the last.

    """

    items: list[Any]
    total: int | None


class Listing:
    """Lists the builds in a database."""

    def __init__(self, database: Database, columns: Columns) -> None:
        self._database = database
        self._repos = Repos(database)
        self._columns = columns

    def page(self, filters: Filters, page: int, per_page: int) -> Page:
        """Return a page of the builds that pass `filters`; a page after the last one is empty.

        Args:
            filters: the filters.
            page: the number of the page; the first is 1.
            per_page: the number of builds on a page.

        Raises:
            Invalid: no repository has the name in the filters.
            peewee.DatabaseError: the database cannot be read.

        """
        offset = min((page - 1) * per_page, 2**62)  # larger than any table; the databases' limit is 2**63 - 1
        with self._database.snapshot():
            return self._page(filters.with_repo_id(self._repos), offset, per_page)

    def _page(self, filters: Filters, offset: int, limit: int) -> Page:
        selected = select(self._database, self._columns, filters, Build.id)
        query, total = selected.query, selected.total
        if selected.many:
            # One more build shows whether there is another page.
            page = query.order_by(*selected.newest_first).offset(offset).limit(limit + 1)
            ids = rows(self._database, page)
            if total is None and len(ids) <= limit:
                total = offset + len(ids) if ids or not offset else query.select(COUNT).scalar(self._database)
        else:
            found = sorted(rows(self._database, query), reverse=True)
            ids, total = found[offset:], len(found)
        if not ids:
            return Page([], total)
        whole = Build.select(*self._columns.fields).where(Build.id << [build_id for (build_id,) in ids[:limit]])
        return Page(sorted(self._builds(whole), key=lambda build: -build["id"]), total)

    def _builds(self, query: Any) -> list[StoredBuild]:
        return [self._columns.build(row) for row in rows(self._database, query)]
