"""Transfer: builds into the store and out of it, one JSON object a line, with their revisions or without."""

import os
import sys
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from marshmallow import ValidationError

from build_admin.commands.new_file import new_file
from build_admin.commands.progress import Progress, tell
from build_admin.models.build import compact
from build_admin.models.builds import Author
from build_admin.models.bulk import Bulk, FaultsFound, Imported
from build_admin.models.errors import StoredBuildUnreadable, Unstorable
from build_admin.models.snapshot import snapshot
from build_admin.models.staging import Staging
from build_admin.models.stores.store import Store, in_words
from build_admin.schemas import document
from build_admin.schemas.build import BuildSchema
from build_admin.schemas.records import MAX_RECORD, Records
from build_admin.schemas.revision import RevisionSchema

#: What stands for stdin or stdout where a file is named.
STANDARD = Path("-")


class TransferError(Exception):
    """An import or export that failed and stored nothing; the message is one sentence."""


def import_builds(store: Store, file: Path, overwrite: bool) -> Imported:
    """Import the builds in `file`, an array or one a line, into `store`: all of them or none.

    Every fault is printed on stderr. Raises TransferError and StoreError.
    """
    try:
        with _binary(sys.stdin) if file == STANDARD else file.open("rb") as stream, closing(Staging()) as staging:
            return _Import(store, stream, staging).run(overwrite)
    except OSError as error:
        raise TransferError(f"{file} cannot be read: {error.strerror or error}.") from error


def _binary(stream: TextIO | None) -> BinaryIO:
    if stream is None:
        raise TransferError("stdin or stdout is closed; name a file.")
    return stream.buffer


class _Import:
    def __init__(self, store: Store, stream: BinaryIO, staging: Staging) -> None:
        self._store = store
        self._stream = stream
        self._staging = staging
        self._records = Records(stream)
        self._build_schema = BuildSchema(store.columns.limits, store.columns.missing)
        self._revision_schema = RevisionSchema()
        self._faults = 0

    def run(self, overwrite: bool) -> Imported:
        read = self._read()
        try:
            with in_words(self._store.name), Progress("storing") as progress:
                return Bulk(
                    self._store.database,
                    self._store.columns,
                    Author("import", f"import-{uuid.uuid4().hex}"),
                    overwrite=overwrite,
                    faulty=self._faults > 0,
                    fault=self._fault,
                    progress=lambda done: progress(done, read),
                ).store(self._staging)
        except FaultsFound:
            faults = "1 fault" if self._faults == 1 else f"{self._faults} faults"
            raise TransferError(f"{faults}; nothing was imported.") from None
        except (Unstorable, StoredBuildUnreadable) as error:
            raise TransferError(f"{error} Nothing was imported.") from error

    def _read(self) -> int:
        """Stage what the stream has, and return how many records that was."""
        size = os.fstat(self._stream.fileno()).st_size if self._stream.seekable() else 0
        count = 0
        with Progress("reading") as progress:
            try:
                for position, text in self._records:
                    count += 1
                    for fault in self._stage(position, text):
                        self._fault(position, fault)
                    progress(self._stream.tell() if size else count, size)
            except document.DocumentError as error:
                self._fault(count, error.fault)
        return count

    def _stage(self, position: int, text: bytes | None) -> list[str]:
        """Stage a record, and return its faults; without any it is staged."""
        if text is None:
            return [f"has more than {MAX_RECORD} bytes."]
        try:
            sent = document.load_object(text)
            # No build has a field of this name, and every revision has it.
            if "revision" in sent:
                repeated = self._staging.add_revision(position, self._revision_schema.load(sent))
            else:
                fields = self._build_schema.load(sent)
                fields.pop("repo", None)
                repeated = self._staging.add_build(position, fields)
        except document.DocumentError as error:
            return [error.fault]
        except ValidationError as error:
            return [f"{field}: {words}" for field, faults in error.normalized_messages().items() for words in faults]
        return [f"repeats the {what} of {self._records.noun} {where}." for what, where in repeated]

    def _fault(self, position: int, words: str) -> None:
        self._faults += 1
        tell(f"{self._records.noun} {position}: {words}")


def export_builds(store: Store, file: Path, revisions: bool) -> tuple[int, int]:
    """Export the builds in `store` to the new file `file`, with their revisions if asked for.

    What is exported is the store at one moment. Returns how many builds and how many revisions there were.

    Raises TransferError, StoreError, NewFileError, and BrokenPipeError where nobody reads stdout any more.
    """
    if file == STANDARD:
        return _export(store, _binary(sys.stdout), revisions)
    with new_file(file) as partial, partial.open("wb") as stream:
        return _export(store, stream, revisions)


def _export(store: Store, stream: BinaryIO, revisions: bool) -> tuple[int, int]:
    counts = [0, 0]
    try:
        with in_words(store.name), snapshot(store.database, store.columns) as seen, Progress("exporting") as progress:
            total = sum(seen.count()[: 1 + revisions])
            for item in seen.builds_and_revisions() if revisions else seen.builds():
                stream.write(_line(item))
                counts["revision" in item] += 1
                progress(sum(counts), total)
            stream.flush()
    except StoredBuildUnreadable as error:
        raise TransferError(f"{str(error)[0].upper()}{str(error)[1:]}.") from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise TransferError(f"The export cannot be written: {error.strerror or error}.") from error
    return counts[0], counts[1]


def _line(item: dict[str, Any]) -> bytes:
    return compact(item).encode("utf-8") + b"\n"
