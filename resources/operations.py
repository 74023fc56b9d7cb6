"""Operations: what is asked about the service itself, without a token."""

import falcon


class HealthResource:
    """Whether the process answers."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer `"ok"`."""
        resp.media = "ok"

    on_head = on_get


class VersionResource:
    """Which version this is."""

    def __init__(self, version: str) -> None:
        self._version = version

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer with the version, as an object."""
        resp.media = {"version": self._version}

    on_head = on_get
