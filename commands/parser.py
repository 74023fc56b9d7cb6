"""The command line of `build-admin`: what it takes, and how whatever fails is told."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from build_admin import __version__, logs
from build_admin.commands import service as commands
from build_admin.commands.new_file import NewFileError
from build_admin.commands.transfer import STANDARD, TransferError
from build_admin.models.errors import StoreError
from build_admin.server.server import ServerError
from build_admin.settings import Settings, SettingsError

#: Seconds in each unit of a token's lifetime.
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

_ENVIRONMENT = """\
Settings are environment variables; an empty one is as good as none. The most used are
  BUILD_ADMIN_DATA          folder of the SQLite file and the signing key (data)
  BUILD_ADMIN_DATABASE_URL  postgresql://user:password@host:port/name, to use PostgreSQL
  BUILD_ADMIN_SIGNING_KEY   the key that tokens are signed with, shared with a Vela server
  BUILD_ADMIN_LISTEN        host:port to serve on (127.0.0.1:8080)
The README has them all."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with `arguments`, the process's own if left out, and return its exit status.

    Whatever fails is one line on stderr and status 1; arguments that do not parse are status 2.
    """
    if sys.stderr is None:
        # Where it was closed, what is printed there would go to stdout.
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.from_environment()
        logs.set_up(settings.log_format, settings.log_level)
        options.run(settings, options)
    except (SettingsError, StoreError, ServerError, TransferError, NewFileError) as error:
        print(f"build-admin: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read stdout has enough; Python must not try once more to write to it when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("build-admin: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="build-admin",
        description="Overwrites the builds of a Vela CI server, whole or not at all, and remembers what it overwrote.",
        epilog=_ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"build-admin {__version__}")
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    serve = subparsers.add_parser(
        "serve",
        help="answer requests until Ctrl-C or SIGTERM",
        description="Answer requests until Ctrl-C or SIGTERM.",
    )
    serve.add_argument(
        "--sample",
        action="store_true",
        help="load the reference page's build if there is none with its id, and print a curl to paste, with a token",
    )
    serve.set_defaults(run=commands.serve)

    token = subparsers.add_parser(
        "token",
        help="print an administrator's token",
        description="Print a token that opens this service, and any Vela server with the same signing key, as SUBJECT.",
    )
    token.add_argument("subject", metavar="SUBJECT", type=_subject, help="the name that revisions and logs will show")
    token.add_argument(
        "--ttl",
        type=_seconds,
        default="1h",
        help="how long it is valid: 90s, 15m, 8h, 30d (default: %(default)s)",
    )
    token.set_defaults(run=commands.token)

    check = subparsers.add_parser(
        "check",
        help="say what the service would run with",
        description="Say what the service would run with, and change nothing; the status is 1 if it could not run.",
    )
    check.set_defaults(run=commands.check)
    _add_transfers(subparsers)
    return parser


def _add_transfers(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    importing = subparsers.add_parser(
        "import",
        help="store the builds of a file, all of them or none",
        description="Store the builds of a file, all of them or none. The file is UTF-8 and has a JSON array of "
        "builds, or one build a line, or the lines that export --revisions writes. Every line is checked as PUT would; "
        "whatever is wrong is told, with the number of its line, and then nothing is stored.",
    )
    importing.add_argument("file", metavar="FILE", type=Path, help="the file to read, - for stdin")
    importing.add_argument(
        "--overwrite",
        action="store_true",
        help="overwrite the builds that are stored already, and leave revisions; without it they are faults",
    )
    importing.set_defaults(run=commands.import_builds)

    exporting = subparsers.add_parser(
        "export",
        help="print the builds, one JSON object a line",
        description="Print the builds as they are at one moment, ordered by id, one JSON object a line, in UTF-8. "
        "The service may go on writing.",
    )
    exporting.add_argument("--revisions", action="store_true", help="print the revisions too, after their build")
    exporting.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        nargs="?",
        default=STANDARD,
        help="a new file to write to, in place of stdout; in PowerShell, which rewrites what it redirects, name one",
    )
    exporting.set_defaults(run=commands.export_builds)

    copying = subparsers.add_parser(
        "backup",
        help="copy the SQLite store to a new file",
        description="Copy the SQLite store to a new file, which is consistent though the service goes on writing. "
        "To go back to it, stop the service and put it in the place of builds.sqlite3, removing builds.sqlite3-wal and "
        "builds.sqlite3-shm. A PostgreSQL database is backed up with pg_dump.",
    )
    copying.add_argument("file", metavar="FILE", type=Path, help="the file to write; it must not be there")
    copying.set_defaults(run=commands.back_up)


def _subject(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def _seconds(text: str) -> int:
    match = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"must be a number and a unit, such as 90s, 15m, 8h or 30d, not {text!r}")
    return int(match[1]) * _UNITS[match[2]]
