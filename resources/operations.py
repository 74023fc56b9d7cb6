"""Operations: the routes about the service itself, which need no token."""

from importlib import resources
from typing import TYPE_CHECKING

import falcon
import peewee

from build_admin.models.stores.database import Database
from build_admin.models.stores.tables import absent

if TYPE_CHECKING:
    import prometheus_client

#: What /openapi.json answers; `make openapi` makes it from the routes and schemas.
OPENAPI = resources.files(__package__).joinpath("openapi.json")


class FixedResource:
    """An answer that is always the same."""

    def __init__(self, text: bytes) -> None:
        """Answer with this JSON text."""
        self._text = text

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer with the text."""
        resp.data = self._text

    on_head = on_get


class ReadyResource:
    """Whether a request would be served now, for a load balancer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer `{"ready": true}` if the database answers and has its tables, else 503 with the reason."""
        try:
            missing = absent(self._database)
        except peewee.DatabaseError:
            raise falcon.HTTPServiceUnavailable(description="The database does not answer.", retry_after=1) from None
        if missing:
            raise falcon.HTTPServiceUnavailable(
                description=f"The database has no table {' and '.join(missing)}; a start makes what is missing.",
                retry_after=1,
            )
        resp.media = {"ready": True}

    on_head = on_get


class MetricsResource:
    """The metrics of this process."""

    def __init__(self, registry: "prometheus_client.CollectorRegistry | None") -> None:
        self._registry = registry

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer in Prometheus' text format, or with 404 where prometheus-client is not installed."""
        if self._registry is None:
            raise falcon.HTTPNotFound(
                description="There are no metrics without prometheus-client: pip install prometheus-client."
            )
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        resp.data = generate_latest(self._registry)
        resp.content_type = CONTENT_TYPE_LATEST

    on_head = on_get
