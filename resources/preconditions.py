"""Preconditions: If-Match and If-None-Match (RFC 9110, section 13.1), read strictly."""

import re
from dataclasses import dataclass

import falcon

from build_admin.models.errors import PreconditionFailed

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(rf"{_TAG}(?:[ \t]*,[ \t]*{_TAG})*")


@dataclass(frozen=True)
class Preconditions:
    """The state of the build that a request requires.

    Attributes:
        if_match, if_none_match: the header's entity tags, quotes and `W/` included; `*` alone; None for no header.

    """

    if_match: frozenset[str] | None = None
    if_none_match: frozenset[str] | None = None

    @classmethod
    def of(cls, req: falcon.Request) -> "Preconditions":
        """Return a request's preconditions. Raises HTTPBadRequest for a header that does not parse."""
        return cls(_tags(req, "If-Match"), _tags(req, "If-None-Match"))

    @property
    def creates(self) -> bool:
        """Whether the client asks to create: `If-None-Match: *`."""
        return self.if_none_match == ANY

    def check(self, tag: str | None) -> None:
        """Raise PreconditionFailed unless the build's opaque tag, None if there is no build, meets both headers."""
        self.check_match(tag)
        if self.rules_out(tag):
            raise PreconditionFailed(
                "There is a build with this id already; leave out 'If-None-Match' to overwrite it."
                if self.creates
                else "The build is in a state that 'If-None-Match' rules out."
            )

    def check_match(self, tag: str | None) -> None:
        """Raise PreconditionFailed if `If-Match` is given and does not match the build's opaque tag."""
        if self.if_match is not None and not _matches(self.if_match, tag, weak=False):
            raise PreconditionFailed(
                "The build has changed since it was read; read it again."
                if tag
                else "There is no such build to match; leave out 'If-Match', or correct the id."
            )

    def rules_out(self, tag: str | None) -> bool:
        """Return whether `If-None-Match` is given and matches: a read is then answered 304, and an overwrite fails."""
        return self.if_none_match is not None and _matches(self.if_none_match, tag, weak=True)

    def __bool__(self) -> bool:
        return self.if_match is not None or self.if_none_match is not None


#: The tags of a header `*`.
ANY = frozenset({"*"})


def _tags(req: falcon.Request, name: str) -> frozenset[str] | None:
    value = req.get_header(name)
    if value is None:
        return None
    if value.strip() == "*":
        return ANY
    if not _TAGS.fullmatch(value.strip()):
        raise falcon.HTTPBadRequest(
            description=f"The header {name} must be '*', or entity tags in double quotes, separated by commas."
        )
    return frozenset(re.findall(_TAG, value))


def _matches(tags: frozenset[str], tag: str | None, *, weak: bool) -> bool:
    """Compare entity tags (RFC 9110, section 8.8.3.2): strongly for If-Match, weakly for If-None-Match."""
    if tag is None:
        return False
    return tags == ANY or f'"{tag}"' in tags or (weak and f'W/"{tag}"' in tags)
