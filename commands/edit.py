"""The command edit: changes a build in an editor."""

import json
import os
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

#: The statuses of refusals that another text can mend.
_FOR_THE_EDITOR = (400, 409, 413)

#: How a draft is read and written: what is not UTF-8 reaches the service as it is, to be refused.
_ENCODING = {"encoding": "utf-8", "errors": "surrogateescape"}


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = "Change a build in $VISUAL or $EDITOR: show the difference, ask, and overwrite what was read."
    parser.epilog = "EDITOR='code --wait' build-admin edit octocat/hello-world/12"
    add_build(parser)
    add_changing(parser)


def run(settings: Settings, options: Namespace) -> None:
    """Change a build in an editor. Raises CommandError; then what was written is in a file that the message names."""
    require_consent(options)
    client = connect(settings)
    stored = find(client, options.build)
    handle, name = tempfile.mkstemp(prefix=f"build-{stored.build['id']}-", suffix=".json")
    os.close(handle)
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
    comments = [f"{stored.name} at {client.url}", "An unchanged text changes nothing."]
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
                comments = ["This was refused. An unchanged text ends it.", *str(refusal).splitlines()]
                continue
            if refusal.code != 412:
                raise
        change(client, options, stored, send, json.loads(content))
        return


class _Draft:
    """A build that is being written, in a file; the lines that begin with # are no part of it.

    Attributes:
        file: the file.
        text: what was last written, without those lines.

    """

    def __init__(self, file: Path, stored: Stored) -> None:
        self.file = file
        # A field a line and no indentation, as the service lays a build out.
        self.text = self._original = json.dumps(stored.build, ensure_ascii=False, indent=0) + "\n"

    @property
    def changed(self) -> bool:
        """Whether there is a text, and it is another than at first."""
        return self.text.strip() not in ("", self._original.strip())

    def write(self, comments: list[str]) -> None:
        """Write the file: the comments, and the text."""
        self.file.write_text("".join(f"# {line}\n" for line in comments) + self.text, **_ENCODING)

    def open(self) -> None:
        """Open the file in the user's editor, and read it. Raises CommandError."""
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ("notepad" if os.name == "nt" else "vi")
        try:
            # Windows has programs take their command line apart by themselves.
            command = f'{editor} "{self.file}"' if os.name == "nt" else [*shlex.split(editor), str(self.file)]
            status = subprocess.call(command)  # noqa: S603
            text = self.file.read_text(**_ENCODING).removeprefix("\ufeff")
        except (OSError, ValueError) as error:
            raise CommandError(f"The editor {editor} cannot be run: {error}. Set EDITOR to another.") from error
        self.text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
        if status:
            raise CommandError(f"The editor {editor} ended with status {status}; nothing was changed.")
