"""Paths: however one is spelled, what is under /api asks for a token first; with one, what is not there is said so."""

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

#: Every method that Falcon knows, its own mark among them, and one that nobody knows.
METHODS = (*falcon.COMBINED_METHODS, "BREW")
UNKNOWN = {"WEBSOCKET", "BREW"}


def all_routes(data: Path) -> list[str]:
    """Return the path of every route of an application like the one that runs."""
    app: Any = create_app(Settings(data=data, signing_key=KEY))
    return [route.path for route in falcon.inspect.inspect_routes(app)]


def test_what_is_outside_api_is_what_the_contract_leaves_open(data: Path) -> None:
    # A new route that is not under /api asks for no token: see that it is meant to.
    outside = {path for path in all_routes(data) if not path.startswith("/api/")}
    page = {"/", "/page/{name}", "/page/{name}/{file}"}
    assert outside == page | {"/health", "/ready", "/version", "/openapi.json", "/metrics"}


def routes(data: Path) -> list[str]:
    """Return every route's path under /api, with numbers in it."""
    paths = all_routes(data)
    under = [path.replace("{build_id}", "1").replace("{revision}", "1") for path in paths if path.startswith("/api")]
    assert BUILD in under
    return under


def test_every_path_and_method_under_api_asks_for_a_token(service: Service, data: Path) -> None:
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


def test_leading_slashes_that_the_router_ignores_open_nothing(data: Path) -> None:
    # Waitress folds them already; another server that runs the application may not.
    client = falcon.testing.TestClient(create_app(Settings(data=data, signing_key=KEY)))
    for slashes in ("/", "//", "///"):
        assert client.simulate_get(f"{slashes}api/v1/admin/builds").status_code == 401


@pytest.mark.parametrize("method", ["GET", "CONNECT", "OPTIONS", "TRACE"])
@pytest.mark.parametrize(
    "target",
    ["http://x/api/v1/admin/builds", "http://x//api/v1/admin/builds", "///api/v1/admin/builds",
     "/%2fapi/v1/admin/builds", "/%2Fapi%2Fv1%2Fadmin%2Fbuilds",
     "api/v1/admin/builds", "/api/v1/admin/builds#", "/api/v1/admin/builds;v=1"],
)  # fmt: skip
def test_another_form_of_target_opens_nothing(service: Service, method: str, target: str) -> None:
    assert status_of(service, method, target) == 401


PIECES = ["/", "//", "%2f", "%5c", "\\", ".", "..", "%2e", ";", "%00", "%20", "api", "%61pi", "API", "v1", "admin",
          "builds", "/api/v1/admin/builds", "/api/v1/admin/build", "/1", "/revisions", "/queue", "health"]  # fmt: skip


def test_no_spelling_of_a_path_leads_past_the_token(data: Path) -> None:
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


def test_a_method_cannot_be_overridden_past_the_token(service: Service) -> None:
    headers = {"Authorization": None, "X-HTTP-Method-Override": "GET"}
    assert service.request("POST", BUILD, b"{}", headers).status == 401


@pytest.mark.parametrize(
    "path",
    ["/page", "/page/", "/page/views", "/page/views/", "/page/none.js", "/page/__init__.py", "/page/index.html",
     "/api", "/api/v1/admin/build/", "/api/v1/admin/buil", "/healthy", "/api/v2"],
)  # fmt: skip
def test_a_path_that_is_not_there_is_404(service: Service, path: str) -> None:
    refused(service.get(path), 404)


def test_a_method_that_a_path_does_not_take_is_405_and_those_that_it_takes_are_named(
    service: Service, data: Path
) -> None:
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
def test_a_method_that_http_does_not_know_is_501(service: Service, method: str, path: str) -> None:
    refused(service.request(method, path), 501)
