"""Commands: what each command of `build-admin` does, with the settings and the arguments that `cli` has read."""

import os
import sys
from argparse import Namespace
from contextlib import closing

from build_admin import __version__, tokens
from build_admin.app import create_app
from build_admin.commands import transfer
from build_admin.commands.backup import backup
from build_admin.models.build import canonical
from build_admin.models.builds import Author, Builds
from build_admin.models.errors import BuildNotFound
from build_admin.models.stores.store import Store, describe, open_store, require_file
from build_admin.schemas.sample import SAMPLE
from build_admin.server import server
from build_admin.settings import Settings


def serve(settings: Settings, options: Namespace) -> None:
    """Answer requests until a signal. Raises StoreError, ServerError and SettingsError."""
    with closing(open_store(settings.data, settings.database_url)) as store:
        app = create_app(settings, store)

        def announce(url: str) -> None:
            print(f"Build Admin {__version__} serves {url}", flush=True)
            if options.sample:
                print(_sample(settings, store, url), flush=True)

        server.serve(app, settings, announce, store.close)


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
    token = tokens.from_settings(settings).issue("sample", 3600)
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


def token(settings: Settings, options: Namespace) -> None:
    """Print a token for `options.subject`, good for `options.ttl` seconds. Raises SettingsError."""
    print(tokens.from_settings(settings).issue(options.subject, options.ttl))


def check(settings: Settings, options: Namespace) -> None:
    """Say what the service would run with. Raises StoreError and SettingsError where it could not."""
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


def import_builds(settings: Settings, options: Namespace) -> None:
    """Import `options.file`. Raises StoreError and TransferError; then nothing was stored."""
    with closing(open_store(settings.data, settings.database_url)) as store:
        done = transfer.import_builds(store, options.file, options.overwrite)
    print(
        f"imported {done.builds} builds ({done.created} created, {done.overwritten} overwritten, "
        f"{done.unchanged} unchanged) and {done.revisions} revisions"
    )


def export_builds(settings: Settings, options: Namespace) -> None:
    """Export to `options.file`. Raises StoreError, TransferError, NewFileError and BrokenPipeError."""
    require_file(settings.data, settings.database_url)
    with closing(open_store(settings.data, settings.database_url)) as store:
        builds, revisions = transfer.export_builds(store, options.file, options.revisions)
    print(f"exported {builds} builds and {revisions} revisions", file=sys.stderr)


def back_up(settings: Settings, options: Namespace) -> None:
    """Copy the store to `options.file`. Raises StoreError and NewFileError; then there is no such file."""
    size = backup(settings.data, settings.database_url, options.file)
    print(f"backed up to {options.file}, {size} bytes")
