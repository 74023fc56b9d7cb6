"""The command check: says what the service would run with."""

from argparse import ArgumentParser, Namespace

from build_admin import tokens
from build_admin.models.stores.store import describe
from build_admin.settings import Settings


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = "Say what the service would run with, and change nothing; the status is 1 if it could not run."


def run(settings: Settings, options: Namespace) -> None:
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
