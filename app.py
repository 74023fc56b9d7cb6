"""Build Admin's WSGI application: every route, and the HTTP status of every error.

In a checkout `python app.py …` is the command `build-admin …`.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - no installer has checked the version when a checkout runs this file
    sys.exit("build-admin: Python 3.11 or later is needed; this is " + sys.version.split()[0] + ".")
if __name__ == "__main__":
    # Before the other imports: they take long enough for a Ctrl-C, which `main` handles.
    from build_admin.__main__ import main

    sys.exit(main())

import json
from typing import Any

import falcon

from build_admin import __version__, tokens
from build_admin.middleware import metrics
from build_admin.middleware.authentication import Authentication
from build_admin.middleware.client import Client
from build_admin.middleware.errors import add_error_handlers
from build_admin.middleware.methods import Methods, Request
from build_admin.middleware.request_id import RequestId
from build_admin.middleware.request_log import RequestLog
from build_admin.models import errors
from build_admin.models.builds import Builds
from build_admin.models.listing import Listing
from build_admin.models.repairs import Repairs
from build_admin.models.revisions import Revisions
from build_admin.models.stores.errors import LeaveGroup
from build_admin.models.stores.store import Store, open_store
from build_admin.models.stuck import Stuck
from build_admin.resources.build import BuildResource
from build_admin.resources.builds import BuildsResource
from build_admin.resources.operations import OPENAPI, FixedResource, MetricsResource, ReadyResource
from build_admin.resources.page import PageResource
from build_admin.resources.repairs import RepairsResource
from build_admin.resources.repos import ReposResource
from build_admin.resources.revisions import RevisionsResource
from build_admin.resources.stuck import StuckResource
from build_admin.schemas.build import BuildSchema
from build_admin.schemas.document import DocumentError
from build_admin.settings import Settings

#: The status of each error of the models and schemas; its message is the answer's `error`.
STATUSES: dict[type[Exception], str] = {
    DocumentError: falcon.HTTP_BAD_REQUEST,
    errors.Invalid: falcon.HTTP_BAD_REQUEST,
    errors.NotFound: falcon.HTTP_NOT_FOUND,
    errors.Conflict: falcon.HTTP_CONFLICT,
    errors.PreconditionFailed: falcon.HTTP_PRECONDITION_FAILED,
    # No client gets this answer: the server discards it and runs the request again by itself.
    LeaveGroup: falcon.HTTP_SERVICE_UNAVAILABLE,
}


def may_wait(path: str) -> bool:
    """Return whether a request for `path` uses the database, and so may wait for it."""
    return "/api/" in path or path.endswith("/ready")


def create_app(settings: Settings | None = None, store: Store | None = None) -> falcon.App[Any, Any]:
    """Return the WSGI application; `waitress-serve --call build_admin.app:create_app` serves it too.

    Args:
        settings: what to run with; read from the environment if left out.
        store: the opened store; opened as the settings say if left out.

    Raises:
        SettingsError: a setting, or the signing key, cannot be used.
        StoreError: the database cannot be used.

    """
    settings = settings or Settings.from_environment()
    store = store or open_store(settings.data, settings.database_url)
    builds = Builds(store.database, store.columns)
    schema = BuildSchema(store.columns.limits, store.columns.missing)

    counted = metrics.create(store.database, settings.threads)
    middleware: list[Any] = [
        RequestId(),
        RequestLog(store.database),
        *([counted] if counted else []),
        *([Client(settings.trusted_proxy)] if settings.trusted_proxy else []),
        Authentication(tokens.from_settings(settings, make=True)),
        Methods(),
    ]
    app: falcon.App[Any, Any] = falcon.App(middleware=middleware, request_type=Request)
    app.add_route("/api/v1/admin/build", BuildResource(builds, schema, settings.max_body))
    stored = BuildsResource(builds, Listing(store.database, store.columns))
    app.add_route("/api/v1/admin/builds", stored)
    app.add_route("/api/v1/admin/builds/queue", stored, suffix="queue")
    app.add_route("/api/v1/admin/builds/stuck", StuckResource(Stuck(store.database, store.columns)))
    app.add_route("/api/v1/admin/builds/{build_id}", stored, suffix="one")
    revisions = RevisionsResource(Revisions(store.database, builds))
    app.add_route("/api/v1/admin/builds/{build_id}/revisions", revisions)
    app.add_route("/api/v1/admin/builds/{build_id}/revisions/{revision}", revisions, suffix="one")
    app.add_route("/api/v1/admin/builds/{build_id}/revisions/{revision}/undo", revisions, suffix="undo")
    repairs = RepairsResource(Repairs(store.database, store.columns, schema.faults), schema, settings.max_body)
    app.add_route("/api/v1/admin/repairs", repairs)
    app.add_route("/api/v1/admin/repairs/{repair}", repairs, suffix="one")
    app.add_route("/api/v1/admin/repairs/{repair}/builds", repairs, suffix="builds")
    app.add_route("/api/v1/admin/repairs/{repair}/undo", repairs, suffix="undo")
    app.add_route("/api/v1/admin/repos", ReposResource(store.database))
    page = PageResource()
    app.add_route("/", page)
    app.add_route("/page/{name}", page, suffix="file")
    app.add_route("/page/{name}/{file}", page, suffix="file")
    app.add_route("/health", FixedResource(b'"ok"'))
    app.add_route("/ready", ReadyResource(store.database))
    app.add_route("/metrics", MetricsResource(counted.registry if counted else None))
    app.add_route("/openapi.json", FixedResource(OPENAPI.read_bytes()))
    app.add_route("/version", FixedResource(json.dumps({"version": __version__}).encode()))
    add_error_handlers(app, STATUSES)
    return app
