"""The command `build-admin`, run as `python -m build_admin`."""

import os
import signal
import sys
from typing import Any


def main() -> int:
    """Run the command that the process's arguments give, and return its exit status."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted)
    from build_admin.commands import parser

    return parser.main()


def _interrupted(*_: Any) -> None:
    """End the process, as long as there is nothing to be undone: it imports its modules and reads its arguments."""
    os.write(2, b"build-admin: interrupted\n")
    os._exit(130)


if __name__ == "__main__":
    sys.exit(main())
