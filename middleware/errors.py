"""Errors: every error is answered in JSON, with one sentence and no internal detail."""

import json
import logging
from collections.abc import Mapping
from typing import Any

import falcon
import peewee

from build_admin.logs import event
from build_admin.models.stores.errors import FAILURES, CommitLost

log = logging.getLogger("build_admin.error")

#: Seconds after which a client may try again when the database was not available (Retry-After).
RETRY_AFTER = 1

_SENTENCES = {
    404: "There is nothing at this path; see /openapi.json for what there is.",
    405: "This path does not support this method; the header Allow has those that it does.",
    501: "No path supports this method; see /openapi.json for those that each supports.",
}

# By whether the connection was lost during the commit, so that the transaction may be committed or not.
_OUTCOMES = {
    False: "The database cannot be used at the moment and nothing was stored; try again.",
    True: "The database was lost while it stored this, and may have done so; read the build before you try again.",
}

#: SQLSTATEs of a correct statement: a privilege, schema, table or column is missing in the database.
_MISSING = frozenset({"42501", "3F000", "42P01", "42703"})

App = falcon.App[Any, Any]


def add_error_handlers(app: App, statuses: Mapping[type[Exception], str]) -> None:
    """Make `app` answer every exception in JSON: those in `statuses` with that status and their own message."""

    def refuse(req: falcon.Request, resp: falcon.Response, error: Exception, params: Any) -> None:
        if isinstance(error.__cause__, peewee.DatabaseError):
            words, request = str(error.__cause__), req.context.request_id
            event(log, logging.WARNING, "the database refused a write", error=words, request=request)
        status = next(status for kind, status in statuses.items() if isinstance(error, kind))
        raise falcon.HTTPError(status, description=str(error)) from error

    app.set_error_serializer(_serialize)
    app.add_error_handler(Exception, _defect)
    for kind in FAILURES:
        app.add_error_handler(kind, _database_error)
    app.add_error_handler(tuple(statuses), refuse)


def _serialize(req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError) -> None:
    sentence = error.description or _SENTENCES.get(error.status_code) or f"{error.title}."
    body: dict[str, Any] = {"error": sentence}
    # A refusal by `refuse` has the model's error as its cause.
    if faults := getattr(error.__cause__, "faults", None):
        body["fields"] = faults
    # ASCII, because a fault may name a key with a lone surrogate.
    resp.data = (json.dumps(body) + "\n").encode("ascii")
    resp.content_type = falcon.MEDIA_JSON


def _database_error(req: falcon.Request, resp: falcon.Response, error: peewee.PeeweeException, params: Any) -> None:
    # Any other ProgrammingError is a wrong statement, which is a defect.
    if isinstance(error, peewee.ProgrammingError) and _sqlstate(error) not in _MISSING:
        _defect(req, resp, error, params)
    req.context.database_error = True
    event(log, logging.ERROR, "the database could not be used", error=str(error), request=req.context.request_id)
    raise falcon.HTTPServiceUnavailable(description=_OUTCOMES[type(error) is CommitLost], retry_after=RETRY_AFTER)


def _sqlstate(error: peewee.PeeweeException) -> str | None:
    """Return the SQLSTATE of an error (PostgreSQL's manual, appendix A); its message may be in any language."""
    return getattr(getattr(error, "orig", None), "sqlstate", None)


def _defect(req: falcon.Request, resp: falcon.Response, error: Exception, params: Any) -> None:
    log.critical("defect", exc_info=error, extra={"fields": {"request": req.context.request_id}})
    raise falcon.HTTPInternalServerError(
        description=f"This is a defect of Build Admin; its log has the details under request {req.context.request_id}."
    )
