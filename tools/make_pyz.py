"""Make build-admin.pyz: a wheel and its dependencies in one file, which CPython 3.11 or later runs.

    python tools/make_pyz.py dist/build_admin-0.2.0-py3-none-any.whl dist/build-admin.pyz

Pip downloads the dependencies in the versions of constraints.txt, as pure Python only, so that the file runs on every
system. The same wheels result in the same bytes.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

_CONSTRAINTS = Path(__file__).resolve().parent.parent / "constraints.txt"

_MAIN = b"""\
import sys

if sys.version_info < (3, 11):
    sys.exit("build-admin: Python 3.11 or later is needed; this is " + sys.version.split()[0] + ".")

from build_admin.__main__ import main

sys.exit(main())
"""

#: The earliest time that a zip archive can store.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def main(wheel: str, target: str) -> None:
    """Make the file `target` from the wheel at `wheel` and its dependencies."""
    with tempfile.TemporaryDirectory() as folder:
        _download(wheel, folder)
        members = {"__main__.py": _MAIN}
        for part in sorted(Path(folder).glob("*.whl")):
            with zipfile.ZipFile(part) as archive:
                for name in archive.namelist():
                    if members.setdefault(name, archive.read(name)) != archive.read(name):
                        sys.exit(f"{part.name} has a different {name} than another wheel.")
    # A zip archive is read from its end, so that it may begin with a shebang line (PEP 441).
    with Path(target).open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name in sorted(members):
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), members[name], zipfile.ZIP_DEFLATED)
    Path(target).chmod(0o755)


def _download(wheel: str, folder: str) -> None:
    kind = ["--implementation", "py", "--abi", "none", "--platform", "any", "--python-version", "3.11"]
    pure = ["--only-binary=:all:", *kind]
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", *pure]
    subprocess.run([*pip, "--constraint", str(_CONSTRAINTS), "--dest", folder, wheel], check=True)  # noqa: S603


if __name__ == "__main__":
    main(*sys.argv[1:])
