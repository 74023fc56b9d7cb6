"""The service below a path prefix: its routes answer there, and its links and locations have the prefix."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from build_admin.app import create_app
from build_admin.models.stores.store import open_store
from build_admin.settings import Settings
from service import BUILD, BUILDS, KEY, REPAIRS, Service, build, run, running

PREFIX = "/ci/build-admin"


@pytest.fixture
def service(data: Path) -> Iterator[Service]:
    with running(DATA=data, PREFIX=PREFIX) as running_service:
        yield running_service


@pytest.mark.parametrize("left_in", [PREFIX, "", "//ci/build-admin"], ids=["kept", "removed", "two slashes"])
def test_a_proxy_may_keep_the_prefix_in_the_path_or_remove_it(service: Service, left_in: str) -> None:
    headers: dict[str, str | None] = {"Content-Type": "application/json", "If-None-Match": "*"}
    created = service.request("PUT", left_in + BUILD, json.dumps(build(id=7)).encode(), headers)
    assert (created.status, created.headers["Location"]) == (201, f"{PREFIX}{BUILDS}/7")
    for list_of in (BUILDS, f"{BUILDS}/queue", f"{BUILDS}/7/revisions", f"{BUILDS}/stuck", REPAIRS):
        answer = service.get(f"{left_in}{list_of}?page=1")
        targets = re.findall("<(.*?)>", answer.headers["Link"])
        assert targets
        for target in targets:
            assert target.startswith(f"{PREFIX}{list_of}?")
            assert service.get(target).status == 200
    assert service.get(f"{left_in}{BUILDS}/7").json == build(id=7)
    assert service.get(f"{left_in}/health").json == "ok"
    assert service.get(left_in + BUILDS, Authorization=None).status == 401
    done = service.carry_out(left_in + REPAIRS, {"where": {"ids": [7]}, "set": {"status": "error"}, "reason": "x"})
    assert (done.status, done.headers["Location"]) == (201, f"{PREFIX}{REPAIRS}/1")
    undone = service.carry_out(f"{left_in}{REPAIRS}/1/undo", {"reason": "x"})
    assert (undone.status, undone.headers["Location"]) == (201, f"{PREFIX}{REPAIRS}/2")


def test_the_printed_address_has_the_prefix(service: Service) -> None:
    assert service.url.endswith(PREFIX)


@pytest.mark.parametrize("value", ["ci", "/", "//x", "/a//b", "/a b", "/a?b", "/%41", "http://x/y", "/ü"])
def test_an_invalid_prefix_is_refused(data: Path, value: str) -> None:
    finished = run("check", DATA=data, PREFIX=value)
    assert (finished.returncode, "BUILD_ADMIN_PREFIX must be a path" in finished.stderr) == (1, True)


def test_links_and_locations_have_the_script_name_of_another_wsgi_server(data: Path) -> None:
    store = open_store(data)
    app = create_app(Settings(data=data, signing_key=KEY), store)

    class Quiet(WSGIRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    def mounted(environ: dict[str, Any], start_response: Any) -> Any:
        environ["SCRIPT_NAME"] = "/s\u00fc d".encode().decode("latin-1")  # a character for each byte (PEP 3333)
        return app(environ, start_response)

    with make_server("127.0.0.1", 0, mounted, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            service = Service(f"http://127.0.0.1:{server.server_port}")
            created = service.put(build(id=7), If_None_Match="*")
            assert created.headers["Location"] == f"/s%C3%BC%20d{BUILDS}/7"
            listed = service.get(f"{BUILDS}?page=1")
            assert f"</s%C3%BC%20d{BUILDS}?page=1>" in listed.headers["Link"]
        finally:
            server.shutdown()
            thread.join()
            store.close()
