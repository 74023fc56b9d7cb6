"""The command serve: answers requests until a signal."""

import logging
import os
import shlex
from argparse import ArgumentParser, Namespace
from contextlib import closing

from build_admin import __version__, tokens
from build_admin.app import create_app, may_wait
from build_admin.commands.errors import CommandError
from build_admin.logs import event
from build_admin.models import vela
from build_admin.models.build import canonical
from build_admin.models.builds import Author, Builds
from build_admin.models.errors import BuildNotFound, Refusal
from build_admin.models.rules import Rules
from build_admin.models.stores.store import Store, in_words, open_store
from build_admin.schemas.sample import BEFORE, SAMPLE
from build_admin.server.listener import ServerError
from build_admin.server.server import serve
from build_admin.settings import Settings

log = logging.getLogger("build_admin.start")


def add_serve(parser: ArgumentParser) -> None:
    """Add the arguments of the command serve."""
    parser.epilog = "build-admin serve --sample"
    parser.add_argument(
        "--sample",
        action="store_true",
        help="load the reference page's build if there is none with its id, and print a curl to paste, with a token",
    )


def run_serve(settings: Settings, options: Namespace) -> None:
    """Answer requests until Ctrl-C or SIGTERM. Raises StoreError, CommandError and SettingsError."""
    with closing(open_store(settings.data, settings.database_url)) as store:
        app = create_app(settings, store)
        with in_words(store.name):
            unread = vela.withheld(store.database)
            _, lacks = store.database.read(Rules(store.database, store.columns).standing)
        if lacks:
            event(log, logging.WARNING, "creations are refused", reason=lacks)
        for table in unread:
            event(log, logging.WARNING, "no privilege to read a table; what it tells is not known", table=table)

        def announce(url: str) -> None:
            print(f"Build Admin {__version__} serves {url}", flush=True)
            if options.sample:
                print(_sample(settings, store, url), flush=True)

        try:
            serve(app, settings, store.database, may_wait, announce, store.close)
        except ServerError as error:
            raise CommandError(str(error)) from error


def _sample(settings: Settings, store: Store, url: str) -> str:
    """Load the sample build if there is none with its id, and return a curl that overwrites it."""
    builds = Builds(store.database, store.columns)
    try:
        builds.find(int(SAMPLE["id"]))
    except BuildNotFound:
        try:
            builds.overwrite(BEFORE, Author("serve --sample", "serve--sample"), create=True)
        except Refusal as refusal:
            return f"\nThe sample build is not there: {refusal}"
    file = settings.data.absolute() / "data.json"
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_bytes(canonical(SAMPLE))
    except OSError as error:
        return f"\nThe sample cannot be written to {file}: {error.strerror}."
    token = tokens.from_settings(settings).issue("sample", 3600)
    lines = [
        # In Windows PowerShell `curl` is an alias of Invoke-WebRequest.
        "curl.exe" if os.name == "nt" else "curl",
        "--fail-with-body -X PUT",
        f'-H "Authorization: Bearer {token}"',
        '-H "Content-Type: application/json"',
        f'-d "@{file}"' if os.name == "nt" else f"-d {shlex.quote(f'@{file}')}",
        f'"{url}/api/v1/admin/build"',
    ]
    # A backslash continues a line in a Unix shell, but not on Windows.
    where = f"Paste this in another terminal, or its token into the page at {url}/; the token is good for an hour:"
    return f"\n{where}\n\n" + (" ".join(lines) if os.name == "nt" else " \\\n  ".join(lines))
