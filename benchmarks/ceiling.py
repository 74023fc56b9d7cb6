"""The ceiling: Falcon under an unmodified waitress with the service's settings, and no work.

PUT returns the bytes that were sent, GET the sample build, without token, parsing or database. The benchmark runs it
with BUILD_ADMIN_ settings.
"""

import json

import falcon
from waitress.server import TcpWSGIServer

from build_admin.schemas.sample import SAMPLE
from build_admin.server.listener import adjustments
from build_admin.settings import Settings


class Echo:
    """Returns the body of a PUT, and the sample build."""

    def __init__(self) -> None:
        self._sample = json.dumps(SAMPLE, indent=0).encode("utf-8")

    def on_put(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Return the body."""
        resp.data = req.bounded_stream.read()

    def on_get(self, req: falcon.Request, resp: falcon.Response, build_id: int) -> None:
        """Return the sample build, whatever the id."""
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
