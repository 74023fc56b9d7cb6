"""Text: what a database calls text, also where its bytes are none; that must not keep a row from being read.

SQLite takes any bytes as text, and so does a PostgreSQL database whose encoding is SQL_ASCII.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Undecodable:
    """Text whose bytes are not UTF-8. It is no `bytes`, which SQLite has as a type of its own.

    Attributes:
        data: the bytes.

    """

    data: bytes


def shown(value: Any) -> str:
    """Return what a column of text holds as text, as far as it is any: U+FFFD stands for bytes that are not UTF-8."""
    data = value.data if isinstance(value, Undecodable) else value
    return data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)


def decode(data: bytes) -> str | Undecodable:
    """Return the text that `data` is in UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return Undecodable(data)
