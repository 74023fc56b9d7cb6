"""What the models refuse, and why. Each message is one sentence, or two, that may be shown to the client."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

#: Faults whose reason is told in words, further fields that are named, and characters of a name.
_TOLD, _NAMED, _LONGEST_NAME = 3, 5, 50

#: Builds of which all that is wrong with them is told.
_FAULTY = 20


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


class RepairNotFound(Refusal):
    """There is no such repair."""

    def __init__(self, repair: int) -> None:
        super().__init__(f"There is no repair {repair}; the list of repairs has those there are.")


class BuildsNotThere(Refusal):
    """A repair names builds by ids that are not there."""

    def __init__(self, ids: Sequence[int]) -> None:
        named = ", ".join(map(str, ids[:20])) + (f" and {len(ids) - 20} more" if len(ids) > 20 else "")
        super().__init__(f"There is no build {named}; nothing was changed: take out of 'ids' what is not there.")


class TooManyBuilds(Refusal):
    """A repair selects more builds than one may change."""

    def __init__(self, selected: int, most: int) -> None:
        super().__init__(f"The repair selects {selected} builds, and one changes at most {most}; narrow 'where' down.")


class FaultyBuilds(Refusal):
    """Builds would result that PUT would refuse.

    Attributes:
        faults: what is wrong with the first of them, by where it is: `builds.7.number`.

    """

    def __init__(self, faults: Mapping[int, Mapping[str, list[str]]]) -> None:
        builds = "1 build" if len(faults) == 1 else f"{len(faults)} builds"
        self.faults = {
            f"builds.{build_id}.{name}": words
            for build_id, of in islice(faults.items(), _FAULTY)
            for name, words in of.items()
        }
        super().__init__(
            f"The repair was refused and nothing was changed: {builds} would be invalid. {in_words(self.faults)}"
        )


class NothingToUndo(Refusal):
    """A revision that has created its build cannot be undone."""

    def __init__(self, build_id: int, revision: int) -> None:
        super().__init__(
            f"Revision {revision} has created build {build_id}, and nothing is deleted here; overwrite it instead."
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


class BuildRefused(Refusal):
    """The build cannot be stored as it is.

    Attributes:
        faults: by field, what is wrong with it, in sentences without their subject.

    """

    def __init__(self, faults: Mapping[str, list[str]]) -> None:
        super().__init__(f"The build was refused and nothing was changed: {in_words(faults)}")
        self.faults = faults


def in_words(faults: Mapping[str, list[str]]) -> str:
    """Return the first few of `faults` in words; a client may show nothing but these."""
    names = [*faults]
    told, rest = names[:_TOLD], names[_TOLD:]
    words = " ".join(f"{_short(name)} {faults[name][0]}" for name in told)
    if not rest:
        return words
    more = f" and {len(rest) - _NAMED} more" if len(rest) > _NAMED else ""
    return f"{words} Wrong too: {', '.join(map(_short, rest[:_NAMED]))}{more}."


def _short(name: str) -> str:
    # A field that is not known is called what the client has called it.
    return name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"


class Unstorable(Refusal):
    """The database cannot hold a value of this build, though the contract allows it."""

    def __init__(self) -> None:
        super().__init__("The database cannot hold a value of this build; nothing was stored.")


class StoreError(Exception):
    """The store cannot be opened or used as it is; the message is one sentence that says what to do."""
