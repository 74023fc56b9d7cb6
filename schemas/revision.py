"""RevisionSchema: a revision as it is exported, and may be imported."""

from typing import Any

from marshmallow import Schema

from build_admin.schemas.fields import Integer, Object, String

#: Every field of a revision.
_WHOLE: dict[str, Any] = {"required": True, "error_messages": {"required": "is missing; a revision is imported whole."}}


class RevisionSchema(Schema):
    """A whole revision, with what was there before it; `load` raises ValidationError with every fault, by field."""

    error_messages = {"unknown": "is not a field of a revision; take it out or correct its name."}

    build_id = Integer(1, **_WHOLE)
    revision = Integer(1, **_WHOLE)
    at = Integer(**_WHOLE)
    by = String(32 * 1024, **_WHOLE)  # a token, whose subject it is, fits in a request's headers
    request_id = String(64, **_WHOLE)
    changes = Object(**_WHOLE)
    before = Object(**_WHOLE, allow_none=True)
    repair = Integer(1)
