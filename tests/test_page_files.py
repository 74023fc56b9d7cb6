"""The files of the page: how they are served, what they link to, and what they must not contain."""

import re
from pathlib import Path

import falcon.testing
import pytest

from build_admin.app import create_app
from build_admin.models.build import DOCUMENTED, NEWER
from build_admin.schemas.build import STATUSES
from build_admin.settings import Settings
from service import KEY, ROOT, Service, refused

PAGE = ROOT / "page"
FILES = sorted(path for path in PAGE.rglob("*") if path.suffix in {".html", ".css", ".js", ".svg"})
MODULES = [path for path in FILES if path.suffix == ".js"]
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def address(path: Path) -> str:
    """Return the path at which a file is served."""
    return "/" if path.name == "index.html" else f"/page/{path.relative_to(PAGE).as_posix()}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_is_served_unchanged_with_its_headers_and_an_etag(service: Service, path: Path) -> None:
    answer = service.get(address(path), Authorization=None)
    assert (answer.status, answer.body) == (200, path.read_bytes())
    assert answer.headers["Content-Type"] == TYPES[path.suffix]
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    again = service.get(address(path), If_None_Match=f'"other", {answer.etag}', Authorization=None)
    assert (again.status, again.body, again.etag) == (304, b"", answer.etag)
    assert {name: again.headers[name] for name in HEADERS} == HEADERS
    head = service.request("HEAD", address(path), headers={"Authorization": None})
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(answer.body)))
    assert head.etag == answer.etag


@pytest.mark.parametrize("path", ["/page/none.js", "/page/views/none.js", "/page/..%2fapp.py", "/page/__init__.py"])
def test_a_missing_file_is_404_with_the_same_headers(service: Service, path: str) -> None:
    answer = service.get(path)
    refused(answer, 404)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_a_precondition_that_does_not_parse_is_refused(service: Service) -> None:
    refused(service.get("/", If_None_Match="no tag"), 400)


def test_every_linked_file_exists_and_every_file_is_linked() -> None:
    text = (PAGE / "index.html").read_text(encoding="utf-8")
    linked = {PAGE.parent / name for name in re.findall(r'(?:href|src)="(page/[^"]+)"', text)} | {PAGE / "index.html"}
    for module in MODULES:
        for name in re.findall(r'from "([^"]+)"', module.read_text(encoding="utf-8")):
            assert name.startswith("."), f"{module.name} imports {name} from elsewhere"
            linked.add((module.parent / name).resolve())
    assert linked == set(FILES)


def test_a_prefix_without_a_slash_is_redirected_to_one_with_it(data: Path) -> None:
    client = falcon.testing.TestClient(create_app(Settings(data=data, signing_key=KEY)))
    # Without the slash the browser would request /page/main.js. The path is then empty (PEP 3333).
    bare = client.simulate_get("/", root_path="/ci", extras={"PATH_INFO": ""})
    assert (bare.status_code, bare.headers["Location"]) == (308, "/ci/")
    assert {name: bare.headers[name] for name in HEADERS} == HEADERS
    assert client.simulate_get("/", root_path="/ci").text == (PAGE / "index.html").read_text(encoding="utf-8")
    assert client.simulate_get("/", extras={"PATH_INFO": ""}).status_code == 200


def test_every_link_is_relative() -> None:
    text = (PAGE / "index.html").read_text(encoding="utf-8")
    assert not re.search(r'(?:href|src|action)="(/|[a-z]+:)', text)
    for path in FILES:
        # The SVG namespace is a name, which no browser requests.
        words = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://[a-z]|url\(|@import", words), path.name
    assert 'const ROOT = "api/' in (PAGE / "api.js").read_text(encoding="utf-8")


def test_there_are_no_inline_scripts_and_styles_and_no_html_sinks() -> None:
    text = (PAGE / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", text)
    for module in MODULES:
        sinks = (
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|DOMParser|srcdoc|localStorage"
        )
        assert not re.search(sinks, module.read_text(encoding="utf-8")), module.name


def test_the_page_and_its_modules_stay_below_their_sizes() -> None:
    lines = {module.name: module.read_text(encoding="utf-8").splitlines() for module in MODULES}
    assert sum(path.stat().st_size for path in FILES) <= 100 * 1024
    assert {name: len(text) for name, text in lines.items() if len(text) > 150} == {}
    assert {name: line for name, text in lines.items() for line in text if len(line) > 120} == {}
    assert sum(map(len, lines.values())) <= 1500


def test_the_page_has_the_fields_and_statuses_of_the_api() -> None:
    text = (PAGE / "parts" / "fields.js").read_text(encoding="utf-8")
    grouped = re.findall(r'^  \["[A-Z][^"]*", "([a-z_ ]+)"\],$', text, re.MULTILINE)
    assert sorted(" ".join(grouped).split()) == sorted([*DOCUMENTED, *NEWER])
    newer = re.search(r"NEWER = new Set\(\s*\((.*?)\)\.split", text, re.DOTALL)
    assert newer
    assert sorted("".join(re.findall(r'"([^"]*)"', newer[1])).split()) == sorted(NEWER)
    statuses = re.search(r"STATUSES = \{(.*?)\n\};", text, re.DOTALL)
    assert statuses
    assert tuple(re.findall(r'([a-z]+(?: [a-z]+)?)"?: "', statuses[1])) == STATUSES
