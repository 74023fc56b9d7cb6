"""Filters: what builds are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import peewee

from build_admin.models.build import Build
from build_admin.models.errors import RepoUnknown
from build_admin.models.repos import Repos

#: By status of a build that can be stuck, since when it is.
SINCE = {"pending": Build.created, "running": Build.started}


@dataclass(frozen=True)
class Filters:
    """What builds are asked for; None asks for nothing.

    Attributes:
        status: the statuses, of which a build has one.
        repo_id, number, branch, host: the field's value; its zero is found where the row has NULL, as it reads.
        repo: the name of the repository, in place of `repo_id`.
        after, before: Unix seconds between which the build was created; the bounds themselves are outside.
        ids: the ids of which a build has one.
        stuck_before: Unix seconds before which a pending build was created, or a running one started. A time that was
            never set is before any.

    """

    status: Sequence[str] | None = None
    repo_id: int | None = None
    repo: str | None = None
    number: int | None = None
    branch: str | None = None
    host: str | None = None
    after: int | None = None
    before: int | None = None
    stuck_before: int | None = None
    ids: Sequence[int] | None = None

    def with_repo_id(self, repos: Repos) -> "Filters":
        """Return the same filters with `repo_id` in place of `repo`. Raises RepoUnknown and peewee.DatabaseError."""
        if self.repo is None:
            return self
        repo_id = repos.id_of(self.repo)
        if self.repo_id not in (None, repo_id):
            raise RepoUnknown(
                f"The repository '{self.repo}' has repo_id {repo_id}, not {self.repo_id}; send one of them."
            )
        return replace(self, repo=None, repo_id=repo_id)

    def applied_to(self, query: Any) -> Any:
        """Return a peewee query of builds, narrowed to those that pass; `repo` is not looked at."""
        if self.ids is not None:
            query = query.where(Build.id << list(self.ids))
        if self.status is not None:
            query = query.where(Build.status << list(self.status))
        for field in (Build.repo_id, Build.number, Build.branch, Build.host):
            value = getattr(self, field.name)
            if value is not None:
                query = query.where((field == value) if value else (field == value) | field.is_null())
        if self.after is not None:
            query = query.where(Build.created > self.after)
        if self.before is not None:
            earlier = Build.created < self.before
            # A time that was never set is 0, and so before any other.
            query = query.where(earlier | Build.created.is_null() if self.before else earlier)
        if self.stuck_before is not None:
            query = query.where(_stuck_before(self.stuck_before))
        return query


def _stuck_before(seconds: int) -> peewee.Expression:
    since = [
        (Build.status == status) & ((field < max(seconds, 1)) | field.is_null()) for status, field in SINCE.items()
    ]
    # That the status is one of both follows from the rest; said so, it is what an index is used for.
    return (Build.status << list(SINCE)) & (since[0] | since[1])
