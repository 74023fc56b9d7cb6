"""Print the bytes on disk of packages and their dependencies: `installed_size.py REQUIREMENT…`.

The benchmark runs it with the interpreter of the environment to measure.
"""

import sys
from collections.abc import Iterable
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def closure(requirements: Iterable[str]) -> set[str]:
    """Return the names of the installed distributions of `requirements` and of their dependencies."""
    found: set[tuple[str, str]] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        for extra in ("", *requirement.extras):
            key = (canonicalize_name(requirement.name), extra)
            if key in found:
                continue
            found.add(key)
            needed = [Requirement(text) for text in metadata.requires(requirement.name) or ()]
            waiting += [one for one in needed if one.marker is None or one.marker.evaluate({"extra": extra})]
    return {name for name, _ in found}


def size(names: Iterable[str]) -> int:
    """Return the size of the distributions' files in bytes, including compiled ones."""
    files = {path.locate() for name in names for path in metadata.files(name) or ()}
    return sum(file.stat().st_size for file in files if file.is_file())  # type: ignore[attr-defined]


if __name__ == "__main__":
    print(size(closure(sys.argv[1:])))
