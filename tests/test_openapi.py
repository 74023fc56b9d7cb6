"""The OpenAPI document: it is valid and current, and the service behaves as it says."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from build_admin.openapi import document
from service import ROOT, Service, build, running

DOCUMENT = json.loads((ROOT / "resources" / "openapi.json").read_text(encoding="utf-8"))

#: The number of generated requests for each operation; `make fuzz` sends more.
EXAMPLES = os.environ.get("BUILD_ADMIN_TEST_EXAMPLES", "15")


def test_the_document_is_current() -> None:
    # If this fails, run `make openapi`.
    assert document.text() == (ROOT / "resources" / "openapi.json").read_text(encoding="utf-8")


def test_the_document_is_valid() -> None:
    validate(DOCUMENT)


def test_the_document_is_served_without_a_token(service: Service) -> None:
    answer = service.get("/openapi.json", Authorization=None)
    assert (answer.status, answer.json, answer.headers["Content-Type"]) == (200, DOCUMENT, "application/json")
    head = service.request("HEAD", "/openapi.json")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(answer.body)))


def test_a_route_without_a_description_raises_an_error(tmp_path: Path) -> None:
    from build_admin.app import create_app
    from build_admin.resources.operations import FixedResource
    from build_admin.settings import Settings

    app = create_app(Settings(data=tmp_path))
    app.add_route("/new", FixedResource(b""))
    with pytest.raises(KeyError, match="/new"):
        document.document(app)


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_the_service_behaves_as_the_document_says(request: pytest.FixtureRequest, tmp_path: Path, store: str) -> None:
    settings: dict[str, Any] = {"DATA": tmp_path}
    if store == "postgresql":
        settings["DATABASE_URL"] = request.getfixturevalue("new_database")()
    with running("--sample", **settings) as service:
        service.put(build(id=1, status="running"))  # so that the sample build has a revision with a `before`
        command = [
            *(sys.executable, "-c", "from schemathesis.cli import schemathesis as main; main()"),
            *("run", f"{service.url}/openapi.json"),
            *("--header", f"Authorization: Bearer {service.token}"),
            # A request that the schema allows may still be refused, for instance by a precondition.
            *("--exclude-checks", "positive_data_acceptance"),
            *("--max-examples", EXAMPLES, "--seed", "1", "--continue-on-failure", "--no-color", "--warnings", "off"),
        ]
        tested = subprocess.run(
            command,
            cwd=tmp_path,
            env=os.environ | {"PYTHONUTF8": "1"},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert tested.returncode == 0, tested.stdout + tested.stderr
        assert service.get("/health").status == 200
