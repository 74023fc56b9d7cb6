"""Identifier: the number by which a path names a build or a revision."""

import re

import falcon

from build_admin.schemas.fields import MAX_INTEGER

_DECIMAL = re.compile(r"[1-9][0-9]{0,18}")


def identifier(text: str) -> int:
    """Return the number that a part of a path stands for.

    Raises HTTPNotFound for what is not the one spelling of an integer from 1 to MAX_INTEGER: nothing is there.
    """
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_INTEGER:
        raise falcon.HTTPNotFound(
            description=f"There is nothing with this number; one is written in digits, from 1 to {MAX_INTEGER}."
        )
    return int(text)
