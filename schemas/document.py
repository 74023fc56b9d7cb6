"""JSON documents: read strictly, so that what is stored is what the client meant."""

import json
from collections.abc import Iterable
from typing import Any

#: How deep objects and arrays may be nested; a Vela server's own build with its repo and owner has four levels.
MAX_DEPTH = 32


class DocumentError(ValueError):
    """A text that is not the expected JSON; the message is a sentence for the client.

    Attributes:
        fault: the message without its subject, the body, so that it can be used for a line of a file too.

    """

    def __init__(self, fault: str) -> None:
        super().__init__(f"The body {fault}")
        self.fault = fault


def load(text: bytes) -> Any:
    """Return the value that a JSON text (RFC 8259) in UTF-8 stands for.

    Raises DocumentError for a text that is not JSON or not UTF-8, a byte order mark, a repeated key, NaN, Infinity,
    a number too large for a float, an integer of more digits than Python reads (4300), and nesting deeper than
    MAX_DEPTH.
    """
    try:
        decoded = text.decode("utf-8")
        value = _decode_plain(decoded) if text.count(b"{") == 1 else None
        if not _is_plain(value, text):
            value = _decode(decoded)
    except UnicodeDecodeError as error:
        raise DocumentError(f"is not UTF-8 (byte {error.start}); send JSON in UTF-8.") from None
    except RecursionError:
        raise DocumentError(_TOO_DEEP) from None
    except json.JSONDecodeError as error:
        # The message of an import already names the line of a record that is on a single line.
        line = f"line {error.lineno}, " if "\n" in decoded.strip() else ""
        raise DocumentError(f"is not JSON: {error.msg} at {line}column {error.colno}.") from None
    except DocumentError:
        raise
    except ValueError:
        raise DocumentError("has a number with too many digits.") from None
    # The count of brackets, some of them perhaps in strings, is a fast upper bound of the depth.
    if text.count(b"{") + text.count(b"[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise DocumentError(_TOO_DEEP)
    return value


def load_object(text: bytes, what: str = "the whole build") -> dict[str, Any]:
    """Return the JSON object that `text` stands for. Raises DocumentError as `load` does, and for any other value."""
    value = load(text)
    if not isinstance(value, dict):
        raise DocumentError(f"must be a JSON object: {what}.")
    return value


_TOO_DEEP = f"is nested too deep; at most {MAX_DEPTH} levels are read."


def _is_plain(value: Any, text: bytes) -> bool:
    """Return whether `value`, read from `text`, is a flat object of integers and strings without a repeated key.

    Then the text has two quotation marks for each key and each string in `value`. With a repeated key, or an escaped
    quotation mark, it has more.
    """
    if type(value) is not dict:
        return False
    kinds = [*map(type, value.values())]
    texts = kinds.count(str)
    return texts + kinds.count(int) == len(kinds) and text.count(b'"') == 2 * (len(kinds) + texts)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise DocumentError(f"has the key {json.dumps(repeated)} twice; send it once.")
    return value


def _no_constant(name: str) -> Any:
    raise DocumentError(f"has {name}, which is not JSON (RFC 8259, section 6).")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise DocumentError("has a number that is too large to be read.")
    return value


def _depth(value: Any) -> int:
    """Return how deep `value` is nested, without recursion; an empty object is a level too."""
    depth = 0
    level = _containers([value])
    while level:
        depth += 1
        level = [child for item in level for child in _containers(item.values() if isinstance(item, dict) else item)]
    return depth


def _containers(values: Iterable[Any]) -> list[dict[str, Any] | list[Any]]:
    return [value for value in values if isinstance(value, dict | list)]


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_finite).decode

# To look for repeated keys takes longer than the rest of the decoding; for most builds `_is_plain` rules them out.
_decode_plain = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite).decode
