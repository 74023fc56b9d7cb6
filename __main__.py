"""The command `build-admin`, run as `python -m build_admin`."""

import sys

from build_admin.commands.parser import main

if __name__ == "__main__":
    sys.exit(main())
