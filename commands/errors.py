"""Errors: how a command says that it failed."""


class CommandError(Exception):
    """A command that failed; the message is a sentence or two for the user, the exit status is 1."""
