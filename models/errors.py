"""Errors of the models. Each message is one or two sentences for the client."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

#: In a message: how many faults have their reason, how many more fields are named, and the maximum length of a name in
#: characters.
_TOLD, _NAMED, _LONGEST_NAME = 3, 5, 50

#: How many invalid builds have all their faults in an answer.
_FAULTY = 20


class Refusal(Exception):
    """A request that the store refuses. It is raised before anything is written."""


class Invalid(Refusal):
    """The request asks for what cannot be stored or selected."""


class NotFound(Refusal):
    """What the request names does not exist."""


class Conflict(Refusal):
    """The request is valid, and what is stored or the database itself does not allow it."""


class BuildNotFound(NotFound):
    """There is no build with this id."""

    def __init__(self, build_id: int) -> None:
        super().__init__(
            f"There is no build {build_id}. Correct the id, or create it: PUT the whole build with 'If-None-Match: *'."
        )


class RepairNotFound(NotFound):
    """There is no such repair."""

    def __init__(self, repair: int) -> None:
        super().__init__(f"There is no repair {repair}; the list of repairs has those there are.")


class Faulty(Invalid):
    """The build or the repair that was sent has faults.

    Attributes:
        faults: the faults, in sentences without their subject, each by its field, or by a path in a repair such as
            `where.host` or `builds.7.number`.

    """

    def __init__(self, what: str, faults: Mapping[str, list[str]], about: str = "") -> None:
        super().__init__(f"The {what} was refused and nothing was changed: {about}{in_words(faults)}")
        self.faults = faults


class FaultyBuilds(Faulty):
    """A repair would make builds invalid; `faults` has those of the first such builds."""

    def __init__(self, faults: Mapping[int, Mapping[str, list[str]]]) -> None:
        builds = "1 build" if len(faults) == 1 else f"{len(faults)} builds"
        first = {
            f"builds.{build_id}.{name}": words
            for build_id, of in islice(faults.items(), _FAULTY)
            for name, words in of.items()
        }
        super().__init__("repair", first, f"{builds} would be invalid. ")


class PreconditionFailed(Refusal):
    """The build is not in the state that the client expects (RFC 9110, section 13)."""


class NumberTaken(Conflict):
    """Another build has this repo_id and number."""

    def __init__(self, repo_id: int, number: int, build_id: int) -> None:
        super().__init__(
            f"Build {build_id} already has repo_id {repo_id} and number {number}; two builds cannot share them."
        )


class Unstorable(Invalid):
    """The database cannot store a value of this build that the contract allows."""

    def __init__(self) -> None:
        super().__init__("The database cannot hold a value of this build; nothing was stored.")


class Unchanged(Refusal):
    """The stored build already is as requested. Nothing is written, and the answer is 200.

    Attributes:
        build: the stored build.

    """

    def __init__(self, build: dict[str, Any]) -> None:
        super().__init__("The build is already as it should be.")
        self.build = build


class StoreError(Exception):
    """The store cannot be opened or used; the message is one sentence that says what to do."""


def in_words(faults: Mapping[str, list[str]]) -> str:
    """Return the first few faults in words, for a client that shows only the message."""
    names = [*faults]
    told, rest = names[:_TOLD], names[_TOLD:]
    words = " ".join(f"{_short(name)} {faults[name][0]}" for name in told)
    if not rest:
        return words
    more = f" and {len(rest) - _NAMED} more" if len(rest) > _NAMED else ""
    return f"{words} Wrong too: {', '.join(map(_short, rest[:_NAMED]))}{more}."


def _short(name: str) -> str:
    # The name of an unknown field is the client's.
    return name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"
