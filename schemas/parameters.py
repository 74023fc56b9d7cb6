"""Query parameters: a schema for each route. An unknown parameter is refused."""

import re
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from build_admin.schemas.build import STATUSES
from build_admin.schemas.fields import MAX_INTEGER, String

#: Items on a page: the default, and the most.
PER_PAGE = 10
MAX_PER_PAGE = 100


class Flag(fields.Boolean):
    """`true` or `false`, and no other spelling."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if value not in ("true", "false"):
            raise ValidationError("must be true or false.")
        return bool(value == "true")


class Number(fields.Integer):
    """An integer from `least` to `most`, in decimal digits: no sign, no leading zero."""

    #: The groups together are the digits, and not so many that Python would refuse to read them.
    _form = re.compile(r"(0|[1-9][0-9]{0,18})")

    def __init__(self, least: int = 0, most: int = MAX_INTEGER, **kwargs: Any) -> None:
        self._fault = f"must be an integer from {least} to {most}, in digits."
        super().__init__(validate=validate.Range(least, most, error=self._fault), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        match = self._form.fullmatch(value)
        if not match:
            raise ValidationError(self._fault)
        return int("".join(match.groups()))


class Seconds(Number):
    """Unix seconds as the Vela server reads them: 64 bits in digits, which a sign and zeros may precede."""

    _form = re.compile(r"([+-]?)0*([0-9]{1,19})")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(-MAX_INTEGER - 1, MAX_INTEGER, **kwargs)


class Numbers(fields.List[int]):
    """One or more integers from 1, in digits, separated by commas."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(fields.Integer(validate=validate.Range(1, MAX_INTEGER)), **kwargs)
        self._number = Number(1)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        return [self._number.deserialize(number) for number in value.split(",")]


class Choices(fields.List[str]):
    """One or more of the `choices`, separated by commas."""

    def __init__(self, choices: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(fields.String(validate=validate.OneOf(choices)), validate=validate.Length(1), **kwargs)
        self._choices = frozenset(choices)
        self._fault = f"must be one or more of {', '.join(choices)}; separated by commas, without spaces around them."

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        chosen = value.split(",")
        if not self._choices.issuperset(chosen):
            raise ValidationError(self._fault)
        return list(dict.fromkeys(chosen))


class Parameters(Schema):
    """The parameters of a route that has none; the base class of the others."""

    error_messages = {"unknown": "is not a parameter here; take it out or correct its name."}

    def __init__(self) -> None:
        super().__init__()
        #: The parameters of a request without a query.
        self.defaults: dict[str, Any] = self.load({})


class OverwriteParameters(Parameters):
    """The parameters of `PUT …/build`."""

    dry_run = Flag(load_default=False)


class PageParameters(Parameters):
    """The parameters of a list: which page of it, and how many items a page has."""

    page = Number(1, load_default=1)
    per_page = Number(1, MAX_PER_PAGE, load_default=PER_PAGE)


class StuckParameters(PageParameters):
    """The parameters of `GET …/builds/stuck`: the filters, of which `before` says what is stuck, and the page."""

    status = Choices(STATUSES)
    repo_id = Number()
    repo = String(500)
    number = Number()
    branch = String(500)
    host = String(250)
    after = Number()
    before = Number()


class ListParameters(StuckParameters):
    """The parameters of `GET …/builds`: the filters, and the page."""

    stuck_before = Number()


class QueueParameters(Parameters):
    """The parameters of `GET …/builds/queue`. Without `page` and `per_page` it is the whole queue, up to its limit."""

    after = Seconds()
    page = Number(1)
    per_page = Number(1, MAX_PER_PAGE)


class RepoParameters(Parameters):
    """The parameters of `GET …/repos`."""

    id = Numbers()
    full_name = String(500)
