"""The ceiling: what Falcon under waitress costs by itself, as it comes, with the service's settings of both.

PUT answers with the bytes that were sent, GET with the sample build: no token, no parsing, no database. What
the service does less than this is the price of its work. Run by the benchmark; reads the BUILD_ADMIN_… settings.
"""

import json

import falcon
from waitress.server import TcpWSGIServer

from build_admin.schemas.sample import SAMPLE
from build_admin.server.listener import adjustments
from build_admin.settings import Settings


class Echo:
    """Answers without looking."""

    def __init__(self) -> None:
        self._sample = json.dumps(SAMPLE, indent=0).encode("utf-8")

    def on_put(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer with the body."""
        resp.data = req.bounded_stream.read()

    def on_get(self, req: falcon.Request, resp: falcon.Response, build_id: int) -> None:
        """Answer with the sample build, whatever the id."""
        resp.data = self._sample


def main() -> None:
    """Serve until a signal."""
    app: falcon.App[falcon.Request, falcon.Response] = falcon.App()
    app.add_route("/api/v1/admin/build", Echo())
    app.add_route("/api/v1/admin/builds/{build_id:int}", Echo())
    settings = adjustments(Settings.from_environment())
    waitress = TcpWSGIServer(app, adj=settings, sockinfo=settings.listen[0])
    print(f"http://127.0.0.1:{waitress.effective_port}", flush=True)
    waitress.run()


if __name__ == "__main__":
    main()
