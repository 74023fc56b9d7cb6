"""The command export: prints the builds, and their revisions if asked for, one JSON object a line."""

import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from peewee import Model

from build_admin.commands.errors import CommandError
from build_admin.commands.files import STANDARD, binary, new_file, reader_left
from build_admin.commands.progress import progress
from build_admin.models.build import Build
from build_admin.models.repair import Repair
from build_admin.models.revision import Revision
from build_admin.models.snapshot import snapshot
from build_admin.models.stores.store import Store, in_words, open_store, require_file
from build_admin.settings import Settings

#: Lines that are written at once.
_AT_ONCE = 500


def add_export(parser: ArgumentParser) -> None:
    """Add the arguments of the command export."""
    parser.epilog = "build-admin export --revisions all.ndjson"
    parser.add_argument("--revisions", action="store_true", help="print the repairs and revisions too")
    parser.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        nargs="?",
        default=STANDARD,
        help="a new file to write instead of stdout; use it in PowerShell, which changes what it redirects",
    )


def run_export(settings: Settings, options: Namespace) -> None:
    """Print the builds, ordered by id, one JSON object a line, in UTF-8.

    They are those of one moment; the service may go on writing.

    Raises StoreError, CommandError, and OSError if the reader of stdout has closed it.
    """
    require_file(settings.data, settings.database_url)
    with closing(open_store(settings.data, settings.database_url)) as store:
        if options.file == STANDARD:
            counts = _export(store, binary(sys.stdout), options.revisions)
        else:
            with new_file(options.file) as partial, partial.open("wb") as stream:
                counts = _export(store, stream, options.revisions)
    of_repairs = f", and {counts[Repair]} repairs" if counts[Repair] else ""
    print(f"exported {counts[Build]} builds and {counts[Revision]} revisions{of_repairs}", file=sys.stderr)


def _export(store: Store, stream: BinaryIO, revisions: bool) -> Counter[type[Model]]:
    """Write the store to `stream`, and return the number of records of each model."""
    counts: Counter[type[Model]] = Counter()
    try:
        with in_words(store.name), snapshot(store.database, store.columns) as seen, progress("exporting") as show:
            total, lines = seen.count(revisions), seen.lines(revisions)
            while batch := list(islice(lines, _AT_ONCE)):
                stream.write("".join(f"{text}\n" for _, text in batch).encode("utf-8"))
                counts.update(model for model, _ in batch)
                show(counts.total(), total)
            stream.flush()
    except OSError as error:
        if reader_left(error):
            raise
        raise CommandError(f"The export cannot be written: {error.strerror or error}.") from error
    return counts
