"""Answers: given once what they say is on disk, and only then logged and counted."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import falcon
import peewee

from build_admin.middleware import errors
from build_admin.models.stores.database import Database, SharedCommit


class Observer(Protocol):
    """Who is told of every answer."""

    def answered(self, req: falcon.Request, status: int, seconds: float) -> None:
        """Take note of the status that a request is answered with, and of how long that has taken."""


class App(falcon.App[Any, Any]):
    """Falcon's application, whose answers wait for the commit of what they say.

    What one call has written may share its commit with what the next calls on the same thread write: the server calls
    the application for all the requests that it has, and then goes through the answers. A server that takes one request
    after the other, as WSGI has it, has each of them committed by itself.
    """

    def __init__(self, database: Database, **options: Any) -> None:
        """Make the application, whose resources write to `database`; `options` are Falcon's own."""
        super().__init__(**options)
        #: Who is told of each answer.
        self.observers: list[Observer] = []
        #: The answers that nobody has been told of yet.
        self.in_progress: set[Answer] = set()
        self._database = database

    def __call__(self, env: dict[str, Any], start_response: Callable[..., Any]) -> "Answer":
        """Work the request off, and return its answer (PEP 3333)."""
        answer = Answer(self, env, start_response)
        self.in_progress.add(answer)
        with self._database.sharing():
            try:
                answer.body = super().__call__(env, answer.hold)
            except BaseException:
                self.in_progress.discard(answer)
                raise
            finally:
                answer.commit = self._database.uncommitted
        return answer

    def again(self, env: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Work a request off once more, by itself, for the commit that it shared has failed; return its body."""
        self._database.settle()
        return super().__call__(env, start_response)


class Answer:
    """What an application returns: the body, before whose first byte the status and the headers are told."""

    status: str
    headers: list[tuple[str, str]]
    body: Iterable[bytes]
    commit: SharedCommit | None = None

    def __init__(self, app: App, env: dict[str, Any], start_response: Callable[..., Any]) -> None:
        self._app = app
        self._env = env
        self._start_response = start_response
        self._began = time.perf_counter()
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
        try:
            if self.commit is not None:
                self._commit(self.commit)
        finally:
            self._app.in_progress.discard(self)
        seconds = time.perf_counter() - self._began
        # It and the environment know each other; only the collector would find that nobody else knows them any more.
        request = self._env.pop("build_admin.request")
        for observer in self._app.observers:
            observer.answered(request, int(self.status[:3]), seconds)

    def _commit(self, commit: SharedCommit) -> None:
        try:
            commit.settle()
        except (peewee.DataError, peewee.IntegrityError):
            # Somebody's build cannot be stored, and it is not known whose.
            self.body = self._app.again(self._env, self.hold)
        except peewee.DatabaseError as error:
            request = self._env["build_admin.request"]
            request.context.overwritten = None
            self.status, self.headers, self.body = errors.unavailable(request, error)
