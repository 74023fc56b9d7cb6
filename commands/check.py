"""The command check: says what the service would run with."""

import errno
import os
import socket
from argparse import ArgumentParser, Namespace

from build_admin import tokens
from build_admin.commands.errors import CommandError
from build_admin.models.stores.store import describe, require_folder
from build_admin.settings import Settings


def add_check(parser: ArgumentParser) -> None:
    """Add the arguments of the command check."""
    parser.epilog = "build-admin check"


def run_check(settings: Settings, options: Namespace) -> None:
    """Say what the service would run with, and change nothing; the status is 1 if it could not run.

    Raises StoreError, SettingsError and CommandError if it could not.
    """
    print(f"database     {describe(settings.data, settings.database_url)}")
    print(f"signing key  {_key_source(settings)}")
    print(f"address      {_address(settings)}")


def _key_source(settings: Settings) -> str:
    file = tokens.key_file(settings)
    try:
        tokens.from_settings(settings)
    except tokens.NoKey:
        require_folder(file.parent)
        return f"none yet; it will be made at the first start, in {file}"
    return "from BUILD_ADMIN_SIGNING_KEY" if settings.signing_key else f"from {file}"


def _address(settings: Settings) -> str:
    try:
        found = socket.getaddrinfo(*settings.listen, type=socket.SOCK_STREAM)
        # IPv4 first, as the server does.
        family, kind, protocol, _, place = min(found, key=lambda one: one[0] != socket.AF_INET)
        with socket.socket(family, kind, protocol) as probe:
            if os.name != "nt":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except (OSError, UnicodeError) as error:
        if getattr(error, "errno", None) != errno.EADDRINUSE:
            reason = getattr(error, "strerror", None) or error
            raise CommandError(f"Cannot listen on {settings.listen}: {reason}.") from None
        # This may be the service itself, already running.
        return f"http://{settings.listen}, where something listens already"
    return f"http://{settings.listen}"
