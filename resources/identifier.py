"""Identifier: the number by which a path names a build or a revision."""

import re

import falcon

from build_admin.schemas.fields import MAX_INTEGER

_DECIMAL = re.compile(r"[1-9][0-9]{0,18}")


def identifier(text: str) -> int:
    """Return the number that a part of a path stands for.

    Raises HTTPNotFound unless it is an integer from 1 to MAX_INTEGER in decimal digits, without leading zeros.
    """
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_INTEGER:
        raise falcon.HTTPNotFound(
            description=f"A number in the path must be in digits, from 1 to {MAX_INTEGER}; nothing has any other."
        )
    return int(text)
