"""Repos: reads the repositories in a Vela server's table `repos`, which is never written.

Every method is for use in a transaction, and raises peewee.DatabaseError.
"""

from collections.abc import Collection
from enum import Enum
from typing import Any

from peewee import SQL, fn

from build_admin.models import vela
from build_admin.models.errors import Invalid
from build_admin.models.stores.database import Database
from build_admin.models.stores.statement import rows
from build_admin.models.stores.text import shown
from build_admin.models.vela import Repo


class Access(Enum):
    """Whether the service can read the table."""

    ABSENT = "there is no such table"
    REFUSED = "the table is there, and the database's role may not read it"
    GRANTED = "the table can be read"


_COLUMNS = set(Repo._meta.fields)


class Repos:
    """The repositories that a Vela server has in this database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def access(self) -> Access:
        """Return whether the table exists and can be read. Both can change at any time.

        A table of this name without one of the columns is not a Vela server's.
        """
        readable = vela.columns(self._database, Repo)
        if not readable.keys() >= _COLUMNS:
            return Access.ABSENT
        return Access.GRANTED if all(readable[name] for name in _COLUMNS) else Access.REFUSED

    def names(self, ids: Collection[int]) -> dict[int, str]:
        """Return the full names of the repositories with these ids, by id. Unknown ids are left out."""
        return {repo_id: shown(name or "") for repo_id, name in self._select(Repo.id, Repo.full_name, Repo.id, ids)}

    def ids(self, full_names: Collection[str]) -> dict[str, int]:
        """Return the ids of the repositories with these full names, by name. Unknown names are left out."""
        return dict(self._select(Repo.full_name, Repo.id, Repo.full_name, full_names))

    def counters(self, ids: Collection[int]) -> dict[int, int]:
        """Return the number of each repository's last build, by the repository's id. Unknown ids are left out."""
        return {repo_id: counter or 0 for repo_id, counter in self._select(Repo.id, Repo.counter, Repo.id, ids)}

    def id_of(self, full_name: str) -> int:
        """Return the id of the repository with this full name. Raises Invalid if there is none."""
        if self.access() is not Access.GRANTED:
            raise Invalid(f"No repository has a name here; name '{full_name}' by its repo_id.")
        found = self.ids([full_name])
        if not found:
            raise Invalid(f"No repository is called '{full_name}'; correct its name: organization/repository.")
        return found[full_name]

    def first(
        self, most: int, ids: Collection[int] | None = None, full_name: str | None = None
    ) -> tuple[list[dict[str, Any]], int]:
        """Return the first `most` repositories in the order of their ids, and the number of all of them.

        With `ids` and `full_name`, only those with one of these ids and this name.
        """
        if self.access() is not Access.GRANTED:
            return [], 0
        query = Repo.select(Repo.id, Repo.full_name)
        if ids is not None:
            query = query.where(Repo.id << list(ids))
        if full_name is not None:
            query = query.where(Repo.full_name == full_name)
        total: int = query.select(fn.COUNT(SQL("*"))).scalar(self._database)
        found = rows(self._database, query.order_by(Repo.id).limit(most))
        return [{"id": repo_id, "full_name": shown(name or "")} for repo_id, name in found], total

    def _select(self, key: Any, value: Any, field: Any, wanted: Collection[Any]) -> list[tuple[Any, ...]]:
        if not wanted or self.access() is not Access.GRANTED:
            return []
        return rows(self._database, Repo.select(key, value).where(field << list(wanted)))
