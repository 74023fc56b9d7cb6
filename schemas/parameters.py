"""Parameters: what may stand behind a route's question mark, a schema each; what is not known is refused."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields


class Flag(fields.Boolean):
    """`true` or `false`, spelled so."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if value not in ("true", "false"):
            raise ValidationError("must be true or false, once.")
        return bool(value == "true")


class Parameters(Schema):
    """The parameters of a route that has none; those of others add their own."""

    error_messages = {"unknown": "is not a parameter here; take it out or correct its name."}

    def __init__(self) -> None:
        super().__init__()
        #: What a request without a query asks for.
        self.defaults: dict[str, Any] = self.load({})


class OverwriteParameters(Parameters):
    """The parameters of `PUT …/build`."""

    dry_run = Flag(load_default=False)
