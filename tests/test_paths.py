"""Paths: every spelling of a path under /api requires a token, and an unknown path or method is refused."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import falcon
import falcon.inspect
import falcon.testing
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from build_admin.app import create_app
from build_admin.settings import Settings
from service import BUILD, KEY, Service, refused, status_of, token

#: Every method that Falcon knows, including its internal WEBSOCKET, and one that is not defined.
METHODS = (*falcon.COMBINED_METHODS, "BREW")
UNKNOWN = {"WEBSOCKET", "BREW"}


def all_routes(data: Path) -> list[str]:
    """Return the path of every route of an application like the one that runs."""
    app: Any = create_app(Settings(data=data, signing_key=KEY))
    return [route.path for route in falcon.inspect.inspect_routes(app)]


def test_only_the_listed_routes_are_outside_api(data: Path) -> None:
    # A route that is not under /api requires no token. Add a new one here only if that is intended.
    outside = {path for path in all_routes(data) if not path.startswith("/api/")}
    page = {"/", "/page/{name}", "/page/{name}/{file}"}
    assert outside == page | {"/health", "/ready", "/version", "/openapi.json", "/metrics"}


def routes(data: Path) -> list[str]:
    """Return the path of every route under /api, with numbers as its parameters."""
    paths = all_routes(data)
    under = [path.replace("{build_id}", "1").replace("{revision}", "1") for path in paths if path.startswith("/api")]
    assert BUILD in under
    return under


def test_every_path_and_method_under_api_requires_a_token(service: Service, data: Path) -> None:
    for path in [*routes(data), "/api", "/api/", "/api/v1", "/api/unknown", "/api/v1/admin/../../../health"]:
        for spelled in (
            path,
            f"/{path}",
            f"//{path}",
            f"{path}/",
            path.replace("api", "%61pi"),
            f"{path}?token={token()}",
        ):
            for method in METHODS:
                answer = service.request(method, spelled, headers={"Authorization": None})
                assert answer.status == 401, (method, spelled)
                assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_path_with_more_leading_slashes_requires_a_token(data: Path) -> None:
    # Waitress merges leading slashes; another WSGI server may not.
    client = falcon.testing.TestClient(create_app(Settings(data=data, signing_key=KEY)))
    for slashes in ("/", "//", "///"):
        assert client.simulate_get(f"{slashes}api/v1/admin/builds").status_code == 401


@pytest.mark.parametrize("method", ["GET", "CONNECT", "OPTIONS", "TRACE"])
@pytest.mark.parametrize(
    "target",
    ["http://x/api/v1/admin/builds", "http://x//api/v1/admin/builds", "///api/v1/admin/builds",
     "/%2fapi/v1/admin/builds", "/%2Fapi%2Fv1%2Fadmin%2Fbuilds",
     "/api/v1/admin/builds#", "/api/v1/admin/builds;v=1"],
)  # fmt: skip
def test_a_target_in_another_form_requires_a_token(service: Service, method: str, target: str) -> None:
    assert status_of(service, method, target) == 401


PIECES = ["/", "//", "%2f", "%5c", "\\", ".", "..", "%2e", ";", "%00", "%20", "api", "%61pi", "API", "v1", "admin",
          "builds", "/api/v1/admin/builds", "/api/v1/admin/build", "/1", "/revisions", "/queue", "health"]  # fmt: skip


def test_every_spelling_of_a_path_that_is_found_requires_a_token(data: Path) -> None:
    client = falcon.testing.TestClient(create_app(Settings(data=data, signing_key=KEY)))
    found = set()

    @settings(max_examples=300, deadline=None)
    @given(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), st.sampled_from(["GET", "PUT", "OPTIONS"]))
    def check(path: str, method: str) -> None:
        given = {"Authorization": f"Bearer {token()}"}
        allowed = client.simulate_request(method, f"/{path}", headers=given)
        if allowed.status_code != 404 and unquote(path).lstrip("/") not in ("", "health"):
            found.add(path)
            assert client.simulate_request(method, f"/{path}").status_code == 401

    check()
    assert found


def test_an_overridden_method_requires_a_token(service: Service) -> None:
    headers = {"Authorization": None, "X-HTTP-Method-Override": "GET"}
    assert service.request("POST", BUILD, b"{}", headers).status == 401


@pytest.mark.parametrize(
    "path",
    ["/page", "/page/", "/page/views", "/page/views/", "/page/none.js", "/page/__init__.py", "/page/index.html",
     "/api", "/api/v1/admin/build/", "/api/v1/admin/buil", "/healthy", "/api/v2"],
)  # fmt: skip
def test_an_unknown_path_is_404(service: Service, path: str) -> None:
    refused(service.get(path), 404)


def test_a_method_that_a_path_does_not_support_is_405_with_the_supported_methods(service: Service, data: Path) -> None:
    for path in [*routes(data), "/health"]:
        takes = {"PUT"} if path == BUILD else {"POST"} if path.endswith("/undo") else {"GET", "HEAD"}
        takes |= {"POST"} if path.endswith("/repairs") else set()
        for method in set(METHODS) - takes - UNKNOWN - {"OPTIONS", "HEAD"}:
            answer = service.request(method, path)
            refused(answer, 405)
            assert set(answer.headers["Allow"].split(", ")) == takes | {"OPTIONS"}, (method, path)
    head = service.request("HEAD", BUILD)
    assert (head.status, head.body) == (405, b"")


@pytest.mark.parametrize("method", sorted(UNKNOWN))
@pytest.mark.parametrize("path", ["/health", "/nothing", BUILD])
def test_an_undefined_method_is_501(service: Service, method: str, path: str) -> None:
    refused(service.request(method, path), 501)
