"""Request log: one line for each request, and one for each overwrite or repair."""

import logging
import time
from functools import partial

import falcon

from build_admin.logs import event
from build_admin.models.stores.database import Database

requests = logging.getLogger("build_admin.request")
audit = logging.getLogger("build_admin.audit")


class RequestLog:
    """Falcon middleware that logs a request once its answer is final.

    The query is left out, because it may have secrets.
    """

    def __init__(self, database: Database) -> None:
        """Log requests after their commit to `database`."""
        self._database = database

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Note the time."""
        req.context.began = time.perf_counter()

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, req_succeeded: bool
    ) -> None:
        """Log the request, and its overwrite or repair if there is one, after the commit."""
        self._database.on_commit(partial(_log, req, resp.status_code))


def _log(req: falcon.Request, status: int) -> None:
    context = req.context
    subject = getattr(context, "subject", None)
    overwritten = getattr(context, "overwritten", None)
    if overwritten is not None and overwritten.revision is not None:
        event(
            audit,
            logging.INFO,
            "created" if overwritten.created else "overwritten",
            build=overwritten.build["id"],
            revision=overwritten.revision,
            subject=subject,
            changed=None if overwritten.created else ",".join(overwritten.changes),
            request=context.request_id,
        )
    repaired = getattr(context, "repaired", None)
    if repaired is not None and repaired.repair:
        event(
            audit,
            logging.INFO,
            "repaired",
            repair=repaired.repair["repair"],
            undoes=repaired.repair["undoes"],
            builds=repaired.repair["changed"],
            subject=subject,
            changed=",".join(repaired.repair["set"] or ()) or None,
            reason=repaired.repair["reason"],
            request=context.request_id,
        )
    event(
        requests,
        logging.INFO,
        "request",
        method=req.method,
        path=req.path,
        status=status,
        ms=round((time.perf_counter() - context.began) * 1000, 1),
        client=req.remote_addr,
        subject=subject,
        refused=getattr(context, "refused", None),
        request=context.request_id,
    )
