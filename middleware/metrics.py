"""Metrics for Prometheus, if the extra `metrics` is installed."""

import time
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import falcon

from build_admin.models.stores.database import Database

if TYPE_CHECKING:
    import prometheus_client

# A client cannot make new labels: a route is a URI template, and an unknown method is `other`.
_METHODS = frozenset(falcon.HTTP_METHODS)
_REFUSALS = {
    400: "invalid",
    404: "not_found",
    409: "conflict",
    412: "precondition_failed",
    428: "precondition_required",
}
_OVERWRITES = {
    ("PUT", "/api/v1/admin/build"),
    ("POST", "/api/v1/admin/builds/{build_id}/revisions/{revision}/undo"),
}
_REPAIRS = {("POST", "/api/v1/admin/repairs"), ("POST", "/api/v1/admin/repairs/{repair}/undo")}


class Metrics:
    """Falcon middleware that counts and times requests once their answers are final, in a registry of its own."""

    def __init__(self, database: Database, threads: int) -> None:
        """Make the registry, as `create` does. Raises ImportError where prometheus-client is not installed."""
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry: prometheus_client.CollectorRegistry = CollectorRegistry()
        made = self.registry
        labels = ["route", "method", "status"]
        self._requests = Counter("build_admin_requests", "Requests that were answered.", labels, registry=made)
        self._seconds = Histogram(
            "build_admin_request_seconds", "Seconds from a request to its answer.", ["route"], registry=made
        )
        self._overwrites = Counter(
            "build_admin_overwrites", "Requests to overwrite a build, by result.", ["result"], registry=made
        )
        self._repairs = Counter(
            "build_admin_repairs", "Requests to repair builds or undo a repair, by result.", ["result"], registry=made
        )
        self._repaired = Counter(
            "build_admin_repaired_builds", "Builds that repairs have changed or put back.", ["result"], registry=made
        )
        self._refused = Counter(
            "build_admin_tokens_refused", "Requests without a valid token, by reason.", ["reason"], registry=made
        )
        self._errors = Counter(
            "build_admin_database_errors", "Requests that the database could not serve.", registry=made
        )
        self._database = database
        self._busy = Gauge("build_admin_requests_in_progress", "Requests that are being answered.", registry=made)
        Gauge("build_admin_threads", "Requests that can be answered at once.", registry=made).set(threads)
        # Looking up a child by its labels costs more than counting.
        self._of_request = lru_cache(4096)(lambda *of: (self._requests.labels(*of), self._seconds.labels(of[0])))
        connections = Gauge(
            "build_admin_database_connections", "Open connections to the database; at most one a thread.", registry=made
        )
        connections.set_function(lambda: len(database.connections))

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Note the time."""
        self._busy.inc()
        req.context.counted_from = time.perf_counter()

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, req_succeeded: bool
    ) -> None:
        """Count the request and its result, after the commit."""
        self._busy.dec()
        self._database.on_commit(partial(self._count, req, resp.status_code))

    def _count(self, req: falcon.Request, status: int) -> None:
        route = req.uri_template or "none"
        method = req.method if req.method in _METHODS else "other"
        requests, histogram = self._of_request(route, method, str(status))
        requests.inc()
        histogram.observe(time.perf_counter() - req.context.counted_from)
        if refused := getattr(req.context, "refused", None):
            self._refused.labels(refused).inc()
        if getattr(req.context, "database_error", False):
            self._errors.inc()
        if (method, route) in _OVERWRITES:
            self._overwrites.labels(_result(req, status)).inc()
        if (method, route) in _REPAIRS:
            self._count_repair(getattr(req.context, "repaired", None), status)

    def _count_repair(self, done: Any, status: int) -> None:
        if done and done.repair:
            result = "undone" if done.repair["undoes"] else "repaired"
            self._repaired.labels(result).inc(done.repair["changed"])
        elif done:
            result = "dry_run" if done.plan.changed else "unchanged"
        else:
            result = _refusal(status)
        self._repairs.labels(result).inc()


def _refusal(status: int) -> str:
    return _REFUSALS.get(status, "failed" if status >= 500 else "refused")


def _result(req: falcon.Request, status: int) -> str:
    overwritten = getattr(req.context, "overwritten", None)
    if overwritten is None:
        return _refusal(status)
    if overwritten.revision is None:
        return "dry_run" if overwritten.changes else "unchanged"
    return "created" if overwritten.created else "changed"


def create(database: Database, threads: int) -> Metrics | None:
    """Return the metrics of an application, or None if prometheus-client is not installed.

    Args:
        database: its connections are counted, and requests are counted after its commits.
        threads: how many requests can be answered at once.

    """
    try:
        return Metrics(database, threads)
    except ImportError:
        return None
