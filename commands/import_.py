"""The command import: stores the builds of a file, and their revisions, all of them or none."""

import os
import signal
import sys
import uuid
from argparse import ArgumentParser, Namespace
from contextlib import closing
from io import BufferedReader
from pathlib import Path
from typing import Any, cast

from marshmallow import ValidationError

from build_admin.commands.errors import CommandError
from build_admin.commands.files import STANDARD, binary
from build_admin.commands.progress import progress, tell
from build_admin.commands.text import printable
from build_admin.models.builds import Author
from build_admin.models.bulk import Bulk, FaultsFound, Imported
from build_admin.models.errors import Refusal
from build_admin.models.revision import ROW
from build_admin.models.staging import Staging
from build_admin.models.stores.store import Store, in_words, open_store
from build_admin.schemas import document
from build_admin.schemas.build import BuildSchema
from build_admin.schemas.records import MAX_RECORD, Records
from build_admin.schemas.repair import PastRepairSchema
from build_admin.schemas.revision import RevisionSchema
from build_admin.settings import Settings


def add_import(parser: ArgumentParser) -> None:
    """Add the arguments of the command import."""
    parser.epilog = "build-admin import --overwrite builds.ndjson"
    parser.add_argument("file", metavar="FILE", type=Path, help="the file to read, - for stdin")
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="overwrite the builds that are stored already, and leave revisions; without it they are faults",
    )


def run_import(settings: Settings, options: Namespace) -> None:
    """Store the builds of a file, all of them or none.

    The file is UTF-8 and has a JSON array of builds, or one build a line, or the lines that export --revisions writes.
    Every line is checked as PUT would. Each fault is printed with the number of its line, and then nothing is stored. A
    build may also take several lines, as in the service's answers.

    Raises StoreError and CommandError. Then nothing was stored, unless the error's message says so.
    """
    with closing(open_store(settings.data, settings.database_url)) as store:
        done = _import(store, options.file, options.overwrite)
    of_repairs = f", and {done.repairs} repairs" if done.repairs else ""
    told = (
        f"imported {done.builds} builds ({done.created} created, {done.overwritten} overwritten, "
        f"{done.unchanged} unchanged) and {done.revisions} revisions{of_repairs}"
    )
    try:
        print(told, flush=True)
    except OSError as error:
        raise CommandError(f"{told}, all stored, but stdout cannot be written: {error.strerror or error}.") from error


def _import(store: Store, file: Path, overwrite: bool) -> Imported:
    try:
        with (
            cast(BufferedReader, binary(sys.stdin)) if file == STANDARD else file.open("rb") as stream,
            closing(Staging()) as staging,
        ):
            return _Import(store, stream, staging).run(overwrite)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror or error}.") from error


def _too_late(*_: Any) -> None:
    """Handle Ctrl-C during and after the commit: to end here would hide whether the import was stored."""
    tell("It is too late to interrupt the import; it is being committed.")


class _Import:
    def __init__(self, store: Store, stream: BufferedReader, staging: Staging) -> None:
        self._store = store
        self._stream = stream
        self._staging = staging
        self._records = Records(stream)
        self._build_schema = BuildSchema(store.columns.limits, store.columns.missing)
        self._revision_schema = RevisionSchema()
        self._repair_schema = PastRepairSchema()
        self._faults = 0

    def run(self, overwrite: bool) -> Imported:
        read = self._read()
        try:
            with in_words(self._store.name), progress("storing") as show:
                return Bulk(
                    self._store.database,
                    self._store.columns,
                    Author("import", f"import-{uuid.uuid4().hex}"),
                    overwrite=overwrite,
                    faulty=self._faults > 0,
                    fault=self._fault,
                    progress=lambda done: show(done, read),
                    committing=lambda: signal.signal(signal.SIGINT, _too_late),
                ).store(self._staging)
        except FaultsFound:
            faults = "1 fault" if self._faults == 1 else f"{self._faults} faults"
            raise CommandError(f"{faults}; nothing was imported.") from None
        except Refusal as error:
            raise CommandError(f"{error} Nothing was imported.") from error

    def _read(self) -> int:
        """Stage the records of the stream, and return their number."""
        size = os.fstat(self._stream.fileno()).st_size if self._stream.seekable() else 0
        count = 0
        with progress("reading") as show:
            try:
                for position, text in self._records:
                    count += 1
                    for fault in self._stage(position, text):
                        self._fault(position, fault)
                    if count % 100 == 0:
                        show(self._stream.tell() if size else count, size)
            except document.DocumentError as error:
                self._fault(count + 1, error.fault)
        if not count and not self._faults:
            tell("There are no builds in the file.")
        return count

    def _stage(self, position: int, text: bytes | None) -> list[str]:
        """Stage a record, or return its faults."""
        if text is None:
            return [f"has more than {MAX_RECORD} bytes, which no build has; is it one build, or one a line?"]
        try:
            sent = document.load_object(text)
            # No build has a field of one of these names. Every revision has the first, and every repair the second.
            if "revision" in sent:
                repeated = self._staging.add_revision(position, self._revision_schema.load(sent))
            elif "repair" in sent:
                repeated = self._staging.add_repair(position, self._repair_schema.load(sent))
            elif ROW in sent:
                return [f"{ROW}: has what a build cannot hold; see to the fields that it names, and take it out."]
            else:
                fields = self._build_schema.load(sent)
                fields.pop("repo", None)
                repeated = self._staging.add_build(position, fields)
        except document.DocumentError as error:
            return [error.fault]
        except ValidationError as error:
            self._staging.add_refused(position, sent)
            return [f"{field}: {words}" for field, faults in error.normalized_messages().items() for words in faults]
        return [f"repeats the {what} of {self._records.noun} {where}." for what, where in repeated]

    def _fault(self, position: int, words: str) -> None:
        self._faults += 1
        tell(printable(f"{self._records.noun} {position}: {words}"))
