"""What the models refuse, and why. Each message is one sentence, or two, that may be shown to the client."""

from collections.abc import Collection
from typing import Any


class Refusal(Exception):
    """The store will not do what it was asked to; it is raised before anything is written."""


class BuildNotFound(Refusal):
    """There is no build with this id."""

    def __init__(self, build_id: int) -> None:
        super().__init__(
            f"There is no build {build_id}. Correct the id, or create it: PUT the whole build with 'If-None-Match: *'."
        )


class RevisionNotFound(Refusal):
    """There is no such revision of a build with this id."""

    def __init__(self, build_id: int, revision: int) -> None:
        super().__init__(
            f"There is no revision {revision} of build {build_id}; its list of revisions has those there are."
        )


class RepoUnknown(Refusal):
    """No repository has this name, or it is not the one that is asked for beside it."""


class PreconditionFailed(Refusal):
    """The build is not in the state that the client expects (RFC 9110, section 13)."""


class NumberTaken(Refusal):
    """Another build has this repo_id and number."""

    def __init__(self, repo_id: int, number: int, build_id: int) -> None:
        super().__init__(
            f"Build {build_id} already has repo_id {repo_id} and number {number}; two builds cannot share them."
        )


class Unchanged(Refusal):
    """The stored build is already what it was to become; nothing is written, and a client is told so with 200.

    Attributes:
        build: the stored build.

    """

    def __init__(self, build: dict[str, Any]) -> None:
        super().__init__("The build is already as it should be.")
        self.build = build


class FieldsLeftOut(Refusal):
    """The stored build has values in newer fields that the request does not mention.

    Attributes:
        names: the names of those fields.

    """

    def __init__(self, names: Collection[str]) -> None:
        super().__init__("The build was refused because it leaves out what is stored.")
        self.names = names


class Unstorable(Refusal):
    """The database cannot hold a value of this build, though the contract allows it."""

    def __init__(self) -> None:
        super().__init__("The database cannot hold a value of this build; nothing was stored.")


class StoreError(Exception):
    """The store cannot be opened or used as it is; the message is one sentence that says what to do."""
