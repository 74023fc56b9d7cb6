"""The files in deploy/, run by the programs that they are for; only names, ports and paths are changed."""

import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from build_admin.settings import Settings
from service import BUILD, BUILDS, ROOT, Answer, Service, hyphenated, running, token
from sockets import free_port

DEPLOY = ROOT / "deploy"
SAMPLE = (ROOT / "tests" / "build.json").read_bytes()

#: The command that runs each proxy in the foreground, for the file that `proxied` writes.
PROXIES = {"nginx": ["nginx", "-c"], "caddy": ["caddy", "run", "--adapter", "caddyfile", "--config"]}
NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {site}
}}
"""
CADDY = "{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{site}"

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed here")


class Proxied:
    """A service behind a proxy with TLS, requested from an address other than the proxy's."""

    def __init__(self, port: int, certificate: Path, log: Path) -> None:
        self._port = port
        self._tls = ssl.create_default_context(cafile=certificate)
        self._log = log

    def request(self, method: str, path: str, body: bytes | None = None, /, **headers: Any) -> Answer:
        connection = http.client.HTTPSConnection(
            "localhost", self._port, timeout=30, source_address=("127.0.0.2", 0), context=self._tls
        )
        with contextlib.closing(connection):
            connection.request(method, path, body, hyphenated(headers))
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def logged(self, request_id: str) -> str:
        """Return the service's log line of a request."""
        lines = self._log.read_text(encoding="utf-8").splitlines()
        return next(line for line in lines if " request " in line and line.endswith(f" request={request_id}"))


@pytest.fixture(params=sorted(PROXIES))
def proxied(request: pytest.FixtureRequest, certificate: tuple[Path, Path], tmp_path: Path) -> Iterator[Proxied]:
    """A service behind each proxy, configured as in deploy/."""
    if not shutil.which(PROXIES[request.param][0]):
        pytest.skip(f"{request.param} is not installed here")
    with (
        (tmp_path / "log").open("wb") as log,
        running(DATA=tmp_path, TRUSTED_PROXY="127.0.0.1", stderr=log) as service,
        _proxy(request.param, [service], certificate, tmp_path) as behind,
    ):
        yield behind


@contextlib.contextmanager
def _proxy(name: str, services: list[Service], certificate: tuple[Path, Path], folder: Path) -> Iterator[Proxied]:
    """Run a proxy in front of the services."""
    port = free_port()
    file = folder / "proxy.conf"
    file.write_text(_configuration(name, services, port, certificate, folder), encoding="utf-8")
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    said = folder / "said"
    with said.open("wb") as output:
        process = subprocess.Popen([*PROXIES[name], file], env=os.environ | home, stdout=output, stderr=output)
    try:
        _await(port, process, said)
        yield Proxied(port, certificate[0], folder / "log")
    finally:
        process.terminate()
        process.wait(30)


def _configuration(proxy: str, services: list[Service], port: int, certificate: tuple[Path, Path], folder: Path) -> str:
    """Return a complete configuration of the proxy that includes the site of deploy/."""
    file = {"nginx": "nginx/build-admin.conf", "caddy": "caddy/Caddyfile"}[proxy]
    site = (DEPLOY / file).read_text(encoding="utf-8")
    changes = {
        "/etc/ssl/certs/build-admin.pem": str(certificate[0]),
        "/etc/ssl/private/build-admin.key": str(certificate[1]),
        "server 127.0.0.1:8080 max_fails=0;": "\n".join(
            f"server 127.0.0.1:{one.port} max_fails=0;" for one in services
        ),
        "reverse_proxy 127.0.0.1:8080": f"reverse_proxy 127.0.0.1:{services[0].port}",
        "listen 443": f"listen 127.0.0.1:{port}",
        "server_name build-admin.example.com": "server_name localhost",
        "\nbuild-admin.example.com {": f"\nhttps://localhost:{port} {{",
    }
    for old, new in changes.items():
        site = site.replace(old, new)
    assert "example.com" not in site
    return (NGINX if proxy == "nginx" else CADDY).format(site=site, folder=folder)


def _await(port: int, process: "subprocess.Popen[bytes]", said: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), contextlib.closing(socket.create_connection(("127.0.0.1", port), 5)):
            return
        time.sleep(0.02)
    raise AssertionError(said.read_text(encoding="utf-8"))


def test_a_proxy_passes_requests_on_unchanged_and_logs_the_clients_address(proxied: Proxied) -> None:
    bearer: dict[str, Any] = {
        "Authorization": f"Bearer {token()}",
        "Content_Type": "application/json",
        "Accept_Encoding": "gzip",
    }
    created = proxied.request("PUT", BUILD, SAMPLE, If_None_Match="*", **bearer)
    assert created.status == 201
    answer = proxied.request(
        "PUT", BUILD, SAMPLE, X_Request_ID="seen", X_Forwarded_For="203.0.113.9", If_Match=created.etag, **bearer
    )
    assert (answer.status, answer.body) == (200, SAMPLE)
    assert answer.headers["X-Request-ID"] == "seen"
    assert "client=127.0.0.2 " in proxied.logged("seen")
    read = proxied.request("GET", f"{BUILDS}/1", **bearer)
    assert (read.body, read.etag, read.headers["Content-Encoding"]) == (SAMPLE, created.etag, None)
    assert re.fullmatch(r'"[0-9a-f]+"', read.etag)
    assert proxied.request("PUT", BUILD, SAMPLE, If_Match='"stale"', **bearer).status == 412
    assert proxied.request("GET", f"{BUILDS}?status=success", **bearer).headers["X-Total-Count"] is not None
    page = proxied.request("GET", "/")
    assert (page.body, page.headers["Content-Encoding"]) == ((ROOT / "page" / "index.html").read_bytes(), None)
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    assert proxied.request("GET", "/page/views/stuck.js", If_None_Match=page.etag).status == 200
    assert proxied.request("GET", "/", If_None_Match=page.etag).status == 304
    assert proxied.request("GET", "/ready").json == {"ready": True}
    assert proxied.request("PUT", BUILD, SAMPLE).status == 401


def test_a_body_too_large_is_refused_by_the_service_and_far_too_large_by_the_proxy(proxied: Proxied) -> None:
    bearer: dict[str, Any] = {"Authorization": f"Bearer {token()}", "Content_Type": "application/json"}
    refused = proxied.request("PUT", BUILD, b" " * 300_000, **bearer)
    assert (refused.status, "262144" in refused.json["error"]) == (413, True)
    # The proxy may answer and close the connection before all of the body was sent.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
        assert proxied.request("PUT", BUILD, b" " * 3_000_000, **bearer).status in (400, 413, 502)
    assert proxied.request("GET", "/health").status == 200


def test_a_proxy_does_not_pass_on_metrics(proxied: Proxied) -> None:
    assert proxied.request("GET", "/metrics").status == 403


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed here")
def test_restarting_three_processes_one_by_one_behind_nginx_fails_no_request(
    certificate: tuple[Path, Path], tmp_path: Path, new_database: Any
) -> None:
    bearer: dict[str, Any] = {"Authorization": f"Bearer {token()}", "Content_Type": "application/json"}
    settings: dict[str, Any] = {"DATA": tmp_path, "DATABASE_URL": new_database()}
    with contextlib.ExitStack() as stack:
        services = [stack.enter_context(running(**settings)) for _ in range(3)]
        behind = stack.enter_context(_proxy("nginx", services, certificate, tmp_path))
        assert behind.request("PUT", BUILD, SAMPLE, If_None_Match="*", **bearer).status == 201
        stop, statuses = threading.Event(), list[int]()

        def ask(number: int) -> None:
            while not stop.is_set():
                changed = json.loads(SAMPLE) | {"title": f"{number} {len(statuses)}"}
                statuses.append(behind.request("PUT", BUILD, json.dumps(changed).encode(), **bearer).status)
                statuses.append(behind.request("GET", f"{BUILDS}/1", **bearer).status)

        clients = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for client in clients:
            client.start()
        for service in services:
            assert service.process
            service.process.terminate()
            assert service.process.wait(30) == 0
            so_far = len(statuses)
            while len(statuses) < so_far + 40:
                assert any(client.is_alive() for client in clients)
                time.sleep(0.01)
            stack.enter_context(running(**settings | {"LISTEN": f"127.0.0.1:{service.port}"}))
        stop.set()
        for client in clients:
            client.join(30)
        assert set(statuses) == {200}


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed here")
def test_errors_of_nginx_itself_are_json(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    with running(DATA=tmp_path) as service, _proxy("nginx", [service], certificate, tmp_path) as behind:
        metrics = behind.request("GET", "/metrics")
        assert (metrics.status, list(metrics.json)) == (403, ["error"])
        large = behind.request("GET", "/health", b" " * 1_100_000)
        assert (large.status, list(large.json)) == (413, ["error"])
        assert service.process
        service.process.terminate()
        service.process.wait(30)
        away = behind.request("GET", "/health")
        assert (away.status, list(away.json), away.headers["Retry-After"]) == (502, ["error"], "1")
        assert away.headers["Content-Type"] == "application/json"


@needs_systemd
def test_systemd_finds_no_fault_with_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "build-admin.service"
    text = (DEPLOY / "systemd" / "build-admin.service").read_text(encoding="utf-8")
    # systemd-analyze requires that the interpreter exists; Debian's may not be installed here.
    unit.write_text(text.replace("/usr/bin/python3", sys.executable), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, encoding="utf-8", check=False
    )
    about_us = [line for line in done.stderr.splitlines() if "build-admin" in line]
    assert (done.returncode, about_us) == (0, []), done.stderr


@needs_systemd
def test_systemd_rates_the_exposure_of_the_unit_low() -> None:
    unit = DEPLOY / "systemd" / "build-admin.service"
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20", unit], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout.decode()[-500:]


@pytest.mark.parametrize("file", ["windows/build-admin.xml", "iis/web.config"])
def test_the_files_for_windows_are_valid_xml(file: str) -> None:
    assert len(xml.etree.ElementTree.parse(DEPLOY / file).getroot()) > 0


def test_every_setting_named_in_deploy_exists() -> None:
    texts = [path.read_text(encoding="utf-8") for path in DEPLOY.rglob("*") if path.is_file()]
    named = {name for text in texts for name in re.findall(r"BUILD_ADMIN_[A-Z_]*[A-Z]", text)}
    assert {"BUILD_ADMIN_DATA", "BUILD_ADMIN_TRUSTED_PROXY"} <= named
    assert named <= {f"BUILD_ADMIN_{setting.name.upper()}" for setting in fields(Settings)}


def test_every_file_in_deploy_is_linked_in_its_readme() -> None:
    readme = (DEPLOY / "README.md").read_text(encoding="utf-8")
    files = [str(path.relative_to(DEPLOY).as_posix()) for path in DEPLOY.rglob("*") if path.is_file()]
    assert [file for file in files if f"]({file})" not in readme] == ["README.md"]
