"""Plan: what a repair is going to do, or an undo of one; the tag that names exactly that."""

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
        etag: its opaque tag, as it is.
        changes: the JSON text of what differs afterwards, by field.
        values: the columns that are written.
        revision: the number of the revision that this leaves.
        before: what that revision keeps of the build as it is.

    """

    id: int
    etag: str
    changes: str
    values: Mapping[str, Any]
    revision: int
    before: str


class Skipped(NamedTuple):
    """A build that an undo leaves as it is, and why: what has become of it, in words."""

    id: int
    why: str


@dataclass
class Plan:
    """What is to be done.

    Attributes:
        purpose: what is asked for; its JSON text is a part of the tag.
        alive: how many builds are left out because a worker still runs them.
        selected: how many builds are selected.
        changed: how many of them change.
        skipped: those that an undo leaves as they are; None for a repair.
        unreadable: the ids and fields of selected builds that cannot be shown as they are stored: `7.title`.
        faults: by id and field, what is wrong with builds that would result.

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
        """Count a build among those selected, in the order of their ids; it and its tag are None where it is gone."""
        self.selected += 1
        self._hash.update(f"\n{build_id} {etag}".encode())
        self.unreadable += [f"{build_id}.{name}" for name in unreadable(build or {})]

    @property
    def tag(self) -> str:
        """The opaque tag of what is asked for, and of the state of each selected build."""
        return self._hash.hexdigest()[:32]

    @property
    def unchanged(self) -> int:
        """How many selected builds are already as they are to become."""
        return self.selected - self.changed - len(self.skipped or ())
