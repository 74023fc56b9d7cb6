"""RevisionSchema: a revision as it is exported, and may be imported."""

from marshmallow import Schema

from schemas.fields import Integer, Object, String


class RevisionSchema(Schema):
    """A whole revision, with what was there before it; `load` raises ValidationError with every fault, by field."""

    error_messages = {"unknown": "is not a field of a revision; take it out or correct its name."}

    build_id = Integer(1, required=True)
    revision = Integer(1, required=True)
    at = Integer(required=True)
    by = String(32 * 1024, required=True)  # a token, whose subject it is, fits in a request's headers
    request_id = String(64, required=True)
    changes = Object(required=True)
    before = Object(required=True, allow_none=True)
