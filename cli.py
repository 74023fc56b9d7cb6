"""The command `build-admin`: serve, token, check, import, export, backup."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import logs
import server
import tokens
import transfer
from app import __version__, create_app
from backup import backup
from models.build import canonical
from models.builds import Author, Builds
from models.errors import BuildNotFound, StoreError
from models.store import Store, describe, open_store, require_file
from new_file import NewFileError
from schemas.sample import SAMPLE
from settings import Settings, SettingsError

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
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.from_environment()
        logs.set_up(settings.log_format, settings.log_level)
        options.run(settings, options)
    except (SettingsError, StoreError, server.ServerError, transfer.TransferError, NewFileError) as error:
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
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    serve = commands.add_parser(
        "serve",
        help="answer requests until Ctrl-C or SIGTERM",
        description="Answer requests until Ctrl-C or SIGTERM.",
    )
    serve.add_argument(
        "--sample",
        action="store_true",
        help="load the reference page's build if there is none with its id, and print a curl to paste, with a token",
    )
    serve.set_defaults(run=_serve)

    token = commands.add_parser(
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
    token.set_defaults(run=_token)

    check = commands.add_parser(
        "check",
        help="say what the service would run with",
        description="Say what the service would run with, and change nothing; the status is 1 if it could not run.",
    )
    check.set_defaults(run=_check)
    _add_transfers(commands)
    return parser


def _add_transfers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    importing = commands.add_parser(
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
    importing.set_defaults(run=_import)

    exporting = commands.add_parser(
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
        default=transfer.STANDARD,
        help="a new file to write to, in place of stdout; in PowerShell, which rewrites what it redirects, name one",
    )
    exporting.set_defaults(run=_export)

    copying = commands.add_parser(
        "backup",
        help="copy the SQLite store to a new file",
        description="Copy the SQLite store to a new file, which is consistent though the service goes on writing. "
        "To go back to it, stop the service and put it in the place of builds.sqlite3, removing builds.sqlite3-wal and "
        "builds.sqlite3-shm. A PostgreSQL database is backed up with pg_dump.",
    )
    copying.add_argument("file", metavar="FILE", type=Path, help="the file to write; it must not be there")
    copying.set_defaults(run=_backup)


def _subject(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def _seconds(text: str) -> int:
    match = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"must be a number and a unit, such as 90s, 15m, 8h or 30d, not {text!r}")
    return int(match[1]) * _UNITS[match[2]]


def _serve(settings: Settings, options: argparse.Namespace) -> None:
    store = open_store(settings.data, settings.database_url)
    app = create_app(settings, store)

    def announce(url: str) -> None:
        print(f"Build Admin {__version__} serves {url}", flush=True)
        if options.sample:
            print(_sample(settings, store, url), flush=True)

    server.serve(app, settings, announce, store.database.at_once)


def _sample(settings: Settings, store: Store, url: str) -> str:
    """Load the sample build if there is none with its id, and return a curl that overwrites it."""
    builds = Builds(store.database, store.columns)
    try:
        builds.find(int(SAMPLE["id"]))
    except BuildNotFound:
        builds.overwrite(SAMPLE, Author("serve --sample", "serve--sample"), create=True)
    file = settings.data / "data.json"
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_bytes(canonical(SAMPLE))
    token = tokens.from_settings(settings).issue("sample", _UNITS["h"])
    lines = [
        "curl",
        "-X PUT",
        f'-H "Authorization: Bearer {token}"',
        '-H "Content-Type: application/json"',
        f'-d "@{file}"',
        f'"{url}/api/v1/admin/build"',
    ]
    # A shell goes on after a backslash, Windows' command line does not.
    return "\nPaste this in another terminal; the token is good for an hour:\n\n" + (
        " ".join(lines) if os.name == "nt" else " \\\n  ".join(lines)
    )


def _token(settings: Settings, options: argparse.Namespace) -> None:
    print(tokens.from_settings(settings).issue(options.subject, options.ttl))


def _check(settings: Settings, options: argparse.Namespace) -> None:
    print(f"database     {describe(settings.data, settings.database_url)}")
    print(f"signing key  {_key_source(settings)}")
    print(f"address      http://{settings.host}:{settings.port}")


def _key_source(settings: Settings) -> str:
    file = tokens.key_file(settings)
    if settings.signing_key:
        source = "from BUILD_ADMIN_SIGNING_KEY"
    elif settings.signing_key_file or file.exists():
        source = f"from {file}"
    else:
        return f"none yet; it will be made at the first start, in {file}"
    tokens.from_settings(settings)
    return source


def _import(settings: Settings, options: argparse.Namespace) -> None:
    store = open_store(settings.data, settings.database_url)
    done = transfer.import_builds(store, options.file, options.overwrite)
    print(
        f"imported {done.builds} builds ({done.created} created, {done.overwritten} overwritten, "
        f"{done.unchanged} unchanged) and {done.revisions} revisions"
    )


def _export(settings: Settings, options: argparse.Namespace) -> None:
    require_file(settings.data, settings.database_url)
    store = open_store(settings.data, settings.database_url)
    builds, revisions = transfer.export_builds(store, options.file, options.revisions)
    print(f"exported {builds} builds and {revisions} revisions", file=sys.stderr)


def _backup(settings: Settings, options: argparse.Namespace) -> None:
    size = backup(settings.data, settings.database_url, options.file)
    print(f"backed up to {options.file}, {size} bytes")
