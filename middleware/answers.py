"""Answers: given once what they say is on disk, and only then logged and counted."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import falcon
import peewee

from middleware import errors
from models.database import Database, SharedCommit


class Observer(Protocol):
    """Who is told of every answer."""

    def answered(self, req: falcon.Request, status: int) -> None:
        """Take note of the status that a request is answered with."""


class App(falcon.App[Any, Any]):
    """Falcon's application, whose answers wait for the commit of what they say.

    What one call has written may share its commit with what the next calls on the same thread write: the server calls
    the application for all the requests that it has, and then goes through the answers. A server that takes one request
    after the other, as WSGI has it, has each of them committed by itself.
    """

    def __init__(self, database: Database, observers: Sequence[Observer], **options: Any) -> None:
        """Make the application.

        Args:
            database: where its resources write.
            observers: who is told of each answer.
            options: Falcon's own.

        """
        super().__init__(**options)
        self._database = database
        self._observers = observers

    def __call__(self, env: dict[str, Any], start_response: Callable[..., Any]) -> "Answer":
        """Work the request off, and return its answer (PEP 3333)."""
        answer = Answer(env, start_response, self._observers)
        with self._database.sharing():
            try:
                answer.body = super().__call__(env, answer.hold)
            finally:
                answer.commit = self._database.uncommitted
        return answer


class Answer:
    """What an application returns: the body, before whose first byte the status and the headers are told."""

    status: str
    headers: list[tuple[str, str]]
    body: Iterable[bytes]
    commit: SharedCommit | None = None

    def __init__(self, env: dict[str, Any], start_response: Callable[..., Any], observers: Sequence[Observer]) -> None:
        self._env = env
        self._start_response = start_response
        self._observers = observers
        self._settled = False

    @property
    def waits(self) -> bool:
        """Whether what this answer says is not on disk yet."""
        return self.commit is not None

    def hold(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Callable[[bytes], object]:
        """Keep what is to be told; as Falcon has it, all that is written is in the body."""
        self.status, self.headers = status, headers
        return bytes

    def __iter__(self) -> Iterator[bytes]:
        """Commit, tell the status and the headers, and go through the body."""
        self._settle()
        self._start_response(self.status, self.headers)
        return iter(self.body)

    def close(self) -> None:
        """Commit, though there may be nobody to tell any more."""
        self._settle()

    def _settle(self) -> None:
        if self._settled:
            return
        self._settled = True
        request = self._env["build_admin.request"]
        if self.commit is not None:
            try:
                self.commit.settle()
            except peewee.DatabaseError as error:
                request.context.overwritten = None
                self.status, self.headers, self.body = errors.unavailable(request, error)
        for observer in self._observers:
            observer.answered(request, int(self.status[:3]))
