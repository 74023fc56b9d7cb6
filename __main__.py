"""The command `build-admin`, run as `python -m build_admin`."""

import os
import signal
import sys


def main() -> int:
    """Run the command in the process's arguments, and return its exit status."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted)
    from build_admin.commands import parser

    return parser.main()


def _interrupted(*_: object) -> None:
    """End the process at once. It is only importing modules and parsing arguments, so there is nothing to undo."""
    os.write(2, b"build-admin: interrupted\n")
    os._exit(130)


if __name__ == "__main__":
    sys.exit(main())
