"""Request log: a line for each request, and one for each overwrite."""

import logging

import falcon

from build_admin.logs import event

requests = logging.getLogger("build_admin.request")
audit = logging.getLogger("build_admin.audit")


class RequestLog:
    """Logs a request when it is answered. The query is left out: people put secrets there."""

    def answered(self, req: falcon.Request, status: int, seconds: float) -> None:
        """Log the request, and the overwrite if it left a revision."""
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
        event(
            requests,
            logging.INFO,
            "request",
            method=req.method,
            path=req.path,
            status=status,
            ms=round(seconds * 1000, 1),
            client=req.remote_addr,
            subject=subject,
            refused=getattr(context, "refused", None),
            request=context.request_id,
        )
