"""The command edit: changes a build in an editor."""

import json
import os
import re
import shlex
import subprocess
import tempfile
from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path

from build_admin.commands.builds import Stored, add_build, find
from build_admin.commands.changing import add_changing, change, require_consent
from build_admin.commands.errors import INTERRUPTED, CommandError
from build_admin.commands.http_client import API, Client, Refusal
from build_admin.commands.service import connect
from build_admin.settings import Settings

#: Statuses of refusals that the user can correct in the editor.
_FOR_THE_EDITOR = (400, 409, 413)

#: How a draft is read and written. Bytes that are not UTF-8 are sent unchanged, and the service refuses them.
_ENCODING = {"encoding": "utf-8", "errors": "surrogateescape"}


def add_edit(parser: ArgumentParser) -> None:
    """Add the arguments of the command edit."""
    parser.epilog = "EDITOR='code --wait' build-admin edit octocat/hello-world/12"
    add_build(parser)
    add_changing(parser)


def run_edit(settings: Settings, options: Namespace) -> None:
    """Change a build in $VISUAL or $EDITOR: show the difference, ask, and overwrite what was read.

    Raises CommandError; its message names the file that keeps an edited text.
    """
    require_consent(options)
    client = connect(settings)
    stored = find(client, options.build)
    try:
        handle, name = tempfile.mkstemp(prefix=f"build-{stored.build['id']}-", suffix=".json")
        os.close(handle)
    except OSError as error:
        raise CommandError(f"A temporary file for the editor cannot be made: {error.strerror}.") from error
    draft = _Draft(Path(name), stored)
    try:
        _edit(client, options, stored, draft)
    except (CommandError, KeyboardInterrupt) as error:
        if draft.changed:
            draft.write([])
            status = error.status if isinstance(error, CommandError) else INTERRUPTED
            raise CommandError(f"{error}\nWhat you have written is in {name}.".lstrip(), status) from error
        draft.file.unlink(missing_ok=True)
        raise
    draft.file.unlink(missing_ok=True)


def _edit(client: Client, options: Namespace, stored: Stored, draft: "_Draft") -> None:
    comments = [f"{stored.name} at {client.url}", "To change nothing, leave the text as it is."]
    while True:
        before = draft.text
        draft.write(comments)
        draft.open()
        if not draft.changed:
            print("Nothing was changed.")
            return
        content = draft.text.encode(**_ENCODING)
        send = partial(client.send, "PUT", f"{API}/build", content, tag=stored.tag)
        try:
            send(dry_run=True)
        except Refusal as refusal:
            if refusal.code in _FOR_THE_EDITOR and draft.text != before:
                comments = ["This was refused. To give up, leave the text as it is.", *str(refusal).splitlines()]
                continue
            if refusal.code != 412:
                raise
        change(client, options, stored, send, json.loads(content))
        return


class _Draft:
    """A file in which the user edits a build as JSON. Lines that begin with # are comments.

    Attributes:
        file: its path.
        text: its content as last read or written, without the comments.

    """

    def __init__(self, file: Path, stored: Stored) -> None:
        self.file = file
        # One field a line without indentation, as in the service's answers.
        self.text = self._original = json.dumps(stored.build, ensure_ascii=False, indent=0) + "\n"

    @property
    def changed(self) -> bool:
        """Whether the text is neither empty nor the original one."""
        return self.text.strip() not in ("", self._original.strip())

    def write(self, comments: list[str]) -> None:
        """Write the file: the comments, and the text. Raises CommandError."""
        try:
            self.file.write_text("".join(f"# {line}\n" for line in comments) + self.text, **_ENCODING)
        except OSError as error:
            raise CommandError(f"{self.file} cannot be written: {error.strerror}.") from error

    def open(self) -> None:
        """Open the file in the user's editor, wait for the editor, and read the file. Raises CommandError."""
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ("notepad" if os.name == "nt" else "vi")
        try:
            # On Windows a program gets one command line and splits it itself.
            command = f'{editor} "{self.file}"' if os.name == "nt" else [*shlex.split(editor), str(self.file)]
            status = subprocess.call(command)  # noqa: S603
            text = self.file.read_text(**_ENCODING).removeprefix("\ufeff")
        except (OSError, ValueError) as error:
            raise CommandError(f"The editor {editor} cannot be run: {error}. Set EDITOR to another.") from error
        # Not `splitlines`, which ends a line at U+2028 too; a value may have that.
        self.text = re.sub("^#.*\n?", "", text, flags=re.MULTILINE)
        if status:
            raise CommandError(f"The editor {editor} ended with status {status}; nothing was changed.")
