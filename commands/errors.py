"""Errors: how a command says that it failed, and with which exit status."""

#: Exit statuses. Scripts rely on them: 0 is done, or nothing to do.
FAILED, USAGE, CHANGED, NOT_THERE, REFUSED, INTERRUPTED = 1, 2, 3, 4, 5, 130


class CommandError(Exception):
    """A command that failed; the message is for the user.

    Attributes:
        status: the exit status.

    """

    def __init__(self, message: str, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status
