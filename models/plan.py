"""Plan: what a repair or an undo is going to change, and the tag that identifies exactly that."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from build_admin.models.build import unreadable


class Planned(NamedTuple):
    """A build that changes.

    Attributes:
        id: the build's id.
        etag: its opaque tag before the change.
        changes: the fields that differ afterwards, as JSON.
        values: the columns to write.
        revision: the number of the new revision.
        before: `before` of that revision.

    """

    id: int
    etag: str
    changes: str
    values: Mapping[str, Any]
    revision: int
    before: str


class Skipped(NamedTuple):
    """A build that an undo does not restore, and the reason in words."""

    id: int
    why: str


@dataclass
class Plan:
    """The plan of a repair or an undo.

    Attributes:
        purpose: what is requested; its JSON is a part of the tag.
        alive: how many builds are left out because a worker still runs them.
        selected: how many builds are selected.
        changed: how many of them change.
        skipped: those that an undo does not restore; None for a repair.
        unreadable: the ids and unreadable fields of selected builds, such as `7.title`.
        faults: the faults that changed builds would have, by id and field.

    """

    purpose: Any
    alive: int = 0
    selected: int = 0
    changed: int = 0
    skipped: list[Skipped] | None = None
    unreadable: list[str] = field(default_factory=list)
    faults: dict[int, Mapping[str, list[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._hash = hashlib.sha256(json.dumps(self.purpose, sort_keys=True).encode())

    def select(self, build_id: int, etag: str | None, build: Mapping[str, Any] | None) -> None:
        """Count a selected build, in the order of ids. The build and its tag are None if it has been deleted."""
        self.selected += 1
        self._hash.update(f"\n{build_id} {etag}".encode())
        self.unreadable += [f"{build_id}.{name}" for name in unreadable(build or {})]

    @property
    def tag(self) -> str:
        """The opaque tag of what is requested and of the state of each selected build."""
        return self._hash.hexdigest()[:32]

    @property
    def unchanged(self) -> int:
        """How many selected builds already are as requested."""
        return self.selected - self.changed - len(self.skipped or ())
