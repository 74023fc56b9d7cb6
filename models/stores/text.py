"""Text: values of text columns, including bytes that are not UTF-8.

SQLite accepts any bytes as text, and so does a PostgreSQL database with the encoding SQL_ASCII.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Undecodable:
    """Text that is not UTF-8. It is not represented as `bytes`, because SQLite has blobs too.

    Attributes:
        data: the bytes.

    """

    data: bytes


def shown(value: Any) -> str:
    """Return the value of a text column as text, with U+FFFD for bytes that are not UTF-8."""
    data = value.data if isinstance(value, Undecodable) else value
    return data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)


def decode(data: bytes) -> str | Undecodable:
    """Return `data` decoded as UTF-8, or as Undecodable."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return Undecodable(data)
