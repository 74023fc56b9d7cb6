"""Metrics: what is counted and timed, for Prometheus; where the extra `metrics` is not installed, nothing is."""

import time
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import falcon

from build_admin.models.stores.database import Database

if TYPE_CHECKING:
    import prometheus_client

# Whatever a client sends, there are only so many labels: a route is a template, a method one that HTTP knows.
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
    """Falcon middleware that counts and times requests when their answers are final, in a registry of its own."""

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
            "build_admin_overwrites", "Requests to overwrite a build, by what came of them.", ["result"], registry=made
        )
        self._repairs = Counter(
            "build_admin_repairs",
            "Repairs and undos asked for, by what came of them.",
            ["result"],
            registry=made,
        )
        self._repaired = Counter(
            "build_admin_repaired_builds", "Builds that repairs have changed, or put back.", ["result"], registry=made
        )
        self._refused = Counter(
            "build_admin_tokens_refused", "Requests without a valid token, by what is wrong.", ["reason"], registry=made
        )
        self._errors = Counter(
            "build_admin_database_errors", "Requests that the database could not serve.", registry=made
        )
        self._database = database
        self._busy = Gauge("build_admin_requests_in_progress", "Requests that are being worked on.", registry=made)
        Gauge("build_admin_threads", "Requests that can be worked on at once.", registry=made).set(threads)
        # To look a child up by its labels costs more than to count.
        self._of_request = lru_cache(4096)(lambda *of: (self._requests.labels(*of), self._seconds.labels(of[0])))
        connections = Gauge(
            "build_admin_database_connections", "Connections that are open, at most one a thread.", registry=made
        )
        connections.set_function(lambda: len(database.connections))

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Take the time."""
        self._busy.inc()
        req.context.counted_from = time.perf_counter()

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, req_succeeded: bool
    ) -> None:
        """Count the request, and what came of it, after the commit."""
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
            result = "dry_run" if done.plan.builds else "unchanged"
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
    """Return the metrics of an application, or None where prometheus-client is not installed.

    Args:
        database: whose connections are counted, and whose commits are waited for.
        threads: how many requests can be worked on at once.

    """
    try:
        return Metrics(database, threads)
    except ImportError:
        return None
