"""The check of a token and the statuses, for all peers."""

import os

import jwt

STATUSES = (
    "created", "pending", "pending approval", "running", "success",
    "failure", "error", "killed", "canceled", "skipped",
)  # fmt: skip


def administrator(token: str) -> str | None:
    """Return the subject of an administrator's token, or None if the token is not one."""
    try:
        claims = jwt.decode(token, os.environ["SIGNING_KEY"], ["HS256"], options={"require": ["exp", "sub"]})
    except jwt.InvalidTokenError:
        return None
    valid = claims.get("token_type") == "UserAccess" and claims.get("is_active") and claims.get("is_admin")
    return claims["sub"] if valid else None
