"""Filters: which builds are selected."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import and_
from typing import Any

import peewee

from build_admin.models.build import Build
from build_admin.models.errors import Invalid
from build_admin.models.repos import Repos

#: The statuses of a build that can be stuck, and the field with the time since when it is.
SINCE = {"pending": Build.created, "running": Build.started}


@dataclass(frozen=True)
class Filters:
    """Which builds are selected. A filter that is None is not applied.

    Attributes:
        status: any of these statuses.
        repo_id, number, branch, host: the field's value. A zero selects NULL too, which is read as zero.
        repo: the repository's name, in place of `repo_id`.
        after, before: the build was created after and before these times (Unix seconds), excluding both.
        ids: any of these ids.
        stuck_before: a pending build was created, or a running one started, before this time (Unix seconds). A time
            that is not set is before any other.

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
        """Return the same filters with `repo_id` in place of `repo`.

        Raises Invalid if no repository has that name, and peewee.DatabaseError.
        """
        if self.repo is None:
            return self
        repo_id = repos.id_of(self.repo)
        if self.repo_id not in (None, repo_id):
            raise Invalid(f"The repository '{self.repo}' has repo_id {repo_id}, not {self.repo_id}; send one of them.")
        return replace(self, repo=None, repo_id=repo_id)

    def conditions(self, operand: Callable[[peewee.Field], Any] = lambda field: field) -> dict[str, Any]:
        """Return the conditions that a build must meet, by the column whose index serves; `repo` is not looked at.

        Args:
            operand: returns what is compared in the place of a field.

        """
        found: dict[str, Any] = {}
        if self.ids is not None:
            found["id"] = operand(Build.id) << list(self.ids)
        status = self.status
        if self.stuck_before is not None:
            found["stuck_before"] = _stuck_before(self.stuck_before)
            # This follows from the other condition. It is there so that the index on the status is used.
            status = [name for name in SINCE if status is None or name in status]
        if status is not None:
            found["status"] = operand(Build.status) << list(status)
        for field in (Build.repo_id, Build.number, Build.branch, Build.host):
            value = getattr(self, field.name)
            if value is not None:
                equal = operand(field) == value
                found[field.name] = equal if value else equal | operand(field).is_null()
        if "repo_id" in found and "number" in found:
            found["repo_id"] &= found.pop("number")
        created = []
        if self.after is not None:
            created.append(operand(Build.created) > self.after)
        if self.before is not None:
            earlier = operand(Build.created) < self.before
            # A time that is not set is 0, which is before any other.
            created.append(earlier | operand(Build.created).is_null() if self.before else earlier)
        if created:
            found["created"] = reduce(and_, created)
        return found


def _stuck_before(seconds: int) -> Any:
    since = [
        (Build.status == status) & ((field < max(seconds, 1)) | field.is_null()) for status, field in SINCE.items()
    ]
    return since[0] | since[1]
