"""The command token: prints an administrator's token."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace

from build_admin import tokens
from build_admin.commands.values import seconds
from build_admin.settings import Settings


def add_token(parser: ArgumentParser) -> None:
    """Add the arguments of the command token."""
    parser.epilog = "build-admin token octokitty --ttl 8h"
    parser.add_argument("subject", metavar="SUBJECT", type=_subject, help="the name that revisions and logs will show")
    parser.add_argument(
        "--ttl", type=seconds, default="1h", help="how long it is valid: 90s, 15m, 8h, 30d (default: %(default)s)"
    )


def run_token(settings: Settings, options: Namespace) -> None:
    """Print a token that opens this service, and any Vela server with the same signing key. Raises SettingsError."""
    print(tokens.from_settings(settings).issue(options.subject, options.ttl))


def _subject(text: str) -> str:
    if not text.strip():
        raise ArgumentTypeError("must not be empty")
    return text
