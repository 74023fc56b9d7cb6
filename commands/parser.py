"""The command line of `build-admin`: its commands, and how their errors are reported.

A command NAME has two functions in a module of this package. `add_NAME(parser)` adds its arguments, and an example as
the parser's epilog. `run_NAME(settings, options)` runs it; its docstring, up to what it raises, is the command's help.
Only the module of the given command is imported.
"""

import argparse
import difflib
import importlib
import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Iterable, Sequence
from io import TextIOWrapper
from pathlib import Path

from build_admin import __version__, logs
from build_admin.commands.errors import FAILED, INTERRUPTED, USAGE, CommandError
from build_admin.commands.files import reader_left
from build_admin.models.errors import StoreError
from build_admin.settings import Settings, SettingsError

#: The commands that run the service or work on its database, each with a summary.
SERVICE = {
    "serve": "answer requests until Ctrl-C or SIGTERM",
    "check": "say what the service would run with",
    "token": "print an administrator's token",
    "import": "store the builds of a file, all of them or none",
    "export": "print the builds, one JSON object a line",
    "backup": "copy the SQLite store to a new file",
}

#: The commands that are clients of a running service, on this machine or another.
CLIENT = {
    "stuck": "the builds that are pending or running for too long, with the evidence",
    "list": "the builds that pass some filters",
    "show": "a build, field by field",
    "set": "change fields of a build",
    "edit": "change a build in an editor",
    "history": "who changed what in a build",
    "undo": "put back what a revision replaced",
    "repair": "change all stuck builds, or the named ones, at once",
    "repairs": "the repairs, and which of their builds have changed since",
    "undo-repair": "put the builds of a repair back",
}

#: The modules of the commands that are not in one of their own name.
_MODULES = {
    "import": "import_",  # a keyword
    **dict.fromkeys(("stuck", "list", "show", "history"), "seeing"),
    **dict.fromkeys(("set", "undo"), "changing"),
    **dict.fromkeys(("repair", "repairs", "undo_repair"), "repairing"),
}

_SETTINGS = """\
Settings are environment variables; an empty one counts as not set. The most used are
  BUILD_ADMIN_DATA          folder of the SQLite file and the signing key (data)
  BUILD_ADMIN_DATABASE_URL  postgresql://user:password@host:port/name, to use PostgreSQL
  BUILD_ADMIN_SIGNING_KEY   the key that tokens are signed with, shared with a Vela server
  BUILD_ADMIN_LISTEN        host:port to serve on (127.0.0.1:8080)
A client's commands read
  BUILD_ADMIN_URL           where the service is, such as https://ci.example.com/build-admin
  BUILD_ADMIN_TOKEN         an administrator's token; or VELA_TOKEN
  BUILD_ADMIN_TOKEN_FILE    a file with one
On the service's own machine a user who can read the signing key needs none of these.
docs/reference.md lists all settings."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with `arguments`, the process's own if left out, and return its exit status.

    Errors are printed on stderr; the statuses are those of `commands.errors`.
    """
    if sys.stderr is None:
        # It was closed. `print` with the file None would write to stdout.
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    arguments = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A console's encoding may lack a character, as on Windows; printing it must not fail.
            stream.reconfigure(errors="backslashreplace")
    status = _told(arguments)
    try:
        # Otherwise Python flushes the buffer when it exits, and prints a traceback if that fails.
        print(end="", flush=True)
    except OSError as error:
        # Python flushes once more when it exits; that must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return status or _unwritten(error)
    return status


def _told(arguments: Sequence[str]) -> int:
    """Run the command, print its error if it fails, and return its exit status."""
    try:
        return _run(arguments)
    except SystemExit as error:
        return int(error.code or 0)  # argparse has printed the error
    except (CommandError, SettingsError, StoreError) as error:
        print(f"build-admin: {error}", file=sys.stderr)
        return getattr(error, "status", FAILED)
    except OSError as error:
        return _unwritten(error)
    except KeyboardInterrupt:
        print("build-admin: interrupted", file=sys.stderr)
        return INTERRUPTED


def _unwritten(error: OSError) -> int:
    # There is nothing to say to a reader that has closed the pipe early, as `head` does.
    if not reader_left(error):
        # An error of writing to an open file has no name; the commands report those of other files themselves.
        what = error.filename or "stdout cannot be written"
        print(f"build-admin: {what}: {error.strerror or error}.", file=sys.stderr)
    return FAILED


def _run(arguments: Sequence[str]) -> int:
    overview = _overview()
    if not arguments:
        overview.print_help(sys.stderr)
        return USAGE
    known = overview._option_string_actions
    if arguments[0].startswith("-") and arguments[0] not in known:
        overview.error(f"there is no option {arguments[0]!r}{_meant(arguments[0], known)}")
    given = overview.parse_args(arguments)
    if not os.environ.get("BUILD_ADMIN_DATABASE_URL"):
        # SQLite does not need psycopg, but peewee imports it if it is installed, which takes a fifth of the time to
        # start and 11 MB. A module that is None here counts as not installed (Python's reference, section 5.3.1).
        sys.modules["psycopg"] = None  # type: ignore[assignment]
    name = given.command.replace("-", "_")
    module = importlib.import_module(f"build_admin.commands.{_MODULES.get(name, name)}")
    run = getattr(module, f"run_{name}")
    about = " ".join((run.__doc__ or "").partition("Raises ")[0].split())
    parser = argparse.ArgumentParser(
        prog=f"build-admin {given.command}",
        description=textwrap.fill(about, shutil.get_terminal_size().columns - 2),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    getattr(module, f"add_{name}")(parser)
    parser.epilog = f"example:\n  {parser.epilog}"
    options, unknown = parser.parse_known_args(given.arguments)
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{_meant(unknown[0], parser._option_string_actions)}")
    settings = Settings.from_environment()
    logs.set_up(settings.log_format, settings.log_level)
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        # From here on Ctrl-C raises KeyboardInterrupt, so that transactions are rolled back and files removed.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run(settings, options)
    return 0


def _meant(typed: str, known: Iterable[str]) -> str:
    """Return a suggestion of the known name that is most like `typed`; empty if none is."""
    return "".join(f"; did you mean {name}?" for name in difflib.get_close_matches(typed, known, 1))


def _command(typed: str) -> str:
    known = [*SERVICE, *CLIENT]
    if typed not in known:
        hint = _meant(typed, known) or "; build-admin --help lists the commands"
        raise argparse.ArgumentTypeError(f"there is no command {typed!r}{hint}")
    return typed


def _overview() -> argparse.ArgumentParser:
    commands = [_listed("The service's commands", SERVICE), _listed("A client's commands", CLIENT)]
    parser = argparse.ArgumentParser(
        prog="build-admin",
        usage="build-admin [-h] [--version] COMMAND ...",
        description="Overwrites the builds of a Vela CI server, whole or not at all, and remembers what it overwrote.",
        epilog="\n\n".join([*commands, "build-admin COMMAND --help says more.", _SETTINGS]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"build-admin {__version__}")
    parser.add_argument("command", metavar="COMMAND", type=_command, help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _listed(title: str, commands: dict[str, str]) -> str:
    return "\n".join([f"{title}:", *(f"  {name:12} {summary}" for name, summary in commands.items())])
