"""The OpenAPI document of the service, with a description of each route."""

import copy
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import falcon
import falcon.inspect
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import fields

from build_admin import __version__
from build_admin.app import create_app
from build_admin.models.stores.store import open_store
from build_admin.openapi.components import JSON, REFUSAL_OF, REFUSALS, TEXT, add_components, ref, response
from build_admin.schemas.fields import Integer, OneOf, String
from build_admin.schemas.parameters import (
    ListParameters,
    OverwriteParameters,
    PageParameters,
    QueueParameters,
    RepoParameters,
    StuckParameters,
)
from build_admin.schemas.sample import SAMPLE
from build_admin.settings import Settings

_DESCRIPTION = (
    "Overwrites and repairs build records of a Vela CI server, and keeps their earlier states. "
    "A method that a path does not support is 405 with `Allow`, an unknown method 501, and an unknown path 404. "
    "All errors have the same form."
)


def document(app: falcon.App[Any, Any]) -> JSON:
    """Return the OpenAPI document of `app`. Raises KeyError for a route that is not described here."""
    plugin = MarshmallowPlugin()
    spec = APISpec(
        "Build Admin",
        __version__,
        "3.1.0",
        plugins=[plugin],
        info={"description": _DESCRIPTION, "license": {"name": "MIT", "identifier": "MIT"}},
    )
    assert plugin.converter  # noqa: S101 - APISpec has set it
    plugin.converter.add_parameter_attribute_function(_commas)
    plugin.converter.add_attribute_function(_limits)  # type: ignore[no-untyped-call]
    add_components(spec)
    operations = _operations()
    for route in falcon.inspect.inspect_routes(app):
        methods = {method.method for method in route.methods if not method.internal}
        described = {method.lower(): operations[method, route.path] for method in sorted(methods - {"HEAD"})}
        if "HEAD" in methods:
            described["head"] = _head(described["get"])
        parameters: list[Any] = re.findall(r"{(\w+)}", route.path)
        parameters.append("X-Request-ID")
        spec.path(route.path, parameters=parameters, operations=described)
    return spec.to_dict()


def _commas(converter: Any, field: Any, **_: Any) -> JSON:
    """Return the attributes of a parameter for its field. A list is one value with commas."""
    return {"explode": False} if isinstance(field, fields.List) else {}


def _limits(converter: Any, field: Any, **_: Any) -> JSON:
    """Return the limits of a field. apispec itself knows only those in marshmallow's validators."""
    match field:
        case OneOf():
            return {"enum": [*field.choices]}
        case Integer():
            return {"minimum": field.least, "maximum": field.limit}
        case String():
            return {"maxLength": field.limit}
    return {}


def _operations() -> dict[tuple[str, str], JSON]:
    """Return the operations by method and path. HEAD is derived from GET."""
    builds = "/api/v1/admin/builds"
    repairs = "/api/v1/admin/repairs"
    build, array = ref("Build"), _array("Build")
    paged = ("Link", "X-Total-Count")
    conditions = ["If-Match", "If-None-Match"]
    stored = response("The build as it is now stored.", ref("StoredBuild"), "ETag", "X-Unreadable", example=SAMPLE)
    return {
        ("PUT", "/api/v1/admin/build"): _operation(
            "overwriteBuild", "Overwrite a complete build, or create it", OverwriteParameters, *conditions,
            answers={200: stored, 201: _with_header(stored, "Location", "The build as it was created.")},
            refusals=(404, 409, 412, 413, 415),
            body={"required": True, "content": {"application/json": {"schema": ref("WholeBuild"), "example": SAMPLE}}},
        ),
        ("GET", builds): _operation(
            "listBuilds", "List builds, newest id first", ListParameters,
            answers={200: _with_header(response("A page of the builds that match the filters.", array, "Link",
                                                "X-Unreadable", example=[SAMPLE]),
                                       "X-Total-Count", component="Total")},
        ),
        ("GET", f"{builds}/queue"): _operation(
            "listQueue", "List the newest pending and running builds", QueueParameters,
            answers={200: _with_header(
                _with_header(response("At most 1000 builds, or a page of them; the total counts all.",
                                      _array("QueuedBuild"), "X-Unreadable"), "X-Total-Count", component="Total"),
                "Link", component="Rest")},
        ),
        ("GET", f"{builds}/stuck"): _operation(
            "listStuck", "List stuck builds with the evidence, longest stuck first", StuckParameters,
            answers={200: response("A page of stuck builds.", _array("StuckBuild"), *paged, "X-Unreadable")},
        ),
        ("GET", f"{builds}/{{build_id}}"): _operation(
            "readBuild", "Read a build", None, *conditions,
            answers={200: response("The build.", build, "ETag", "X-Unreadable", example=SAMPLE),
                     304: response("The client has it already.", None, "ETag")},
            refusals=(404, 412),
        ),
        ("GET", f"{builds}/{{build_id}}/revisions"): _operation(
            "listRevisions", "List the revisions of a build, newest first", PageParameters,
            answers={200: response("A page of revisions.", _array("ListedRevision"), *paged)}, refusals=(404,),
        ),
        ("GET", f"{builds}/{{build_id}}/revisions/{{revision}}"): _operation(
            "readRevision", "Read a revision, with the build before it", None,
            answers={200: response("The revision.", ref("Revision"), "X-Unreadable")}, refusals=(404,),
        ),
        ("POST", f"{builds}/{{build_id}}/revisions/{{revision}}/undo"): _operation(
            "undoRevision", "Restore the build before a revision", OverwriteParameters, *conditions,
            answers={200: response("The build as it is now stored.", build, "ETag", "X-Unreadable", example=SAMPLE)},
            refusals=(404, 409, 412, 428),
        ),
        ("GET", repairs): _operation(
            "listRepairs", "List the repairs, newest first", PageParameters,
            answers={200: response("A page of repairs.", _array("Repair"), *paged)},
        ),
        ("POST", repairs): _operation(
            "repair", "Set the same fields of many builds, all or none, exactly as previewed", OverwriteParameters,
            "If-Match", answers=_planned("RepairPlan", "Repair"), refusals=(409, 412, 413, 415, 428),
            body={"required": True, "content": {"application/json": {"schema": ref("WantedRepair")}}},
        ),
        ("GET", f"{repairs}/{{repair}}"): _operation(
            "readRepair", "Read a repair", None,
            answers={200: response("The repair.", ref("Repair"))}, refusals=(404,),
        ),
        ("GET", f"{repairs}/{{repair}}/builds"): _operation(
            "listRepairedBuilds", "List the builds of a repair with their states, by id", PageParameters,
            answers={200: response("A page of builds.", _array("RepairedBuild"), *paged)}, refusals=(404,),
        ),
        ("POST", f"{repairs}/{{repair}}/undo"): _operation(
            "undoRepair", "Restore the builds of a repair that have not changed since", OverwriteParameters, "If-Match",
            answers=_planned("UndoPlan", "Undo"), refusals=(404, 409, 412, 413, 415, 428),
            body={"required": True, "content": {"application/json": {"schema": ref("WantedUndo")}}},
        ),
        ("GET", "/api/v1/admin/repos"): _operation(
            "listRepos", "List the names of a Vela server's repositories", RepoParameters,
            answers={200: response("At most 1000 of them; the total counts all.", _array("Repo"), "X-Total-Count")},
        ),
        ("GET", "/"): _file("page", "The page for administrators, in HTML", 308),
        ("GET", "/page/{name}"): _file("pageFile", "A file of the page", 404),
        ("GET", "/page/{name}/{file}"): _file("pageModule", "A file of the page, in one of its folders", 404),
        ("GET", "/health"): _open("health", "Whether the process answers", {"const": "ok"}),
        ("GET", "/ready"): _open(
            "ready", "Whether the database answers and has its tables",
            {"type": "object", "required": ["ready"], "properties": {"ready": {"const": True}}}, 503,
        ),
        ("GET", "/version"): _open("version", "The version of the service",
                                   {"type": "object", "required": ["version"], "properties": {"version": TEXT}}),
        ("GET", "/openapi.json"): _open("openapi", "This document",
                                        {"type": "object", "required": ["openapi", "info", "paths"]}),
        ("GET", "/metrics"): _open("metrics", "The metrics, in Prometheus' text format", None, 404),
    }  # fmt: skip


def _array(name: str) -> JSON:
    return {"type": "array", "items": ref(name)}


def _planned(plan: str, repair: str) -> dict[int, JSON]:
    """Return the responses of an operation that can be previewed."""
    return {
        200: response("The preview; a request with its tag in If-Match applies it.", ref(plan), "ETag", "X-Unreadable"),
        201: response("The repair.", ref(repair), "Location"),
    }


def _operation(
    name: str, summary: str, query: Any, *headers: str, answers: dict[int, JSON], refusals: Any = (), body: Any = None
) -> JSON:
    """Return an operation under /api, which needs a token and the database."""
    parameters = [*headers, *([{"in": "query", "schema": query}] if query else [])]
    statuses = sorted({400, 401, 500, 503, *refusals})
    responses: JSON = {str(status): answer for status, answer in answers.items()}
    responses |= {str(status): REFUSAL_OF[status] for status in statuses}
    operation: JSON = {"operationId": name, "summary": summary, "security": [{"bearer": []}], "responses": responses}
    return operation | ({"parameters": parameters} if parameters else {}) | ({"requestBody": body} if body else {})


def _open(name: str, summary: str, schema: JSON | None, *refusals: int) -> JSON:
    """Return an operation outside /api. Without a schema its response is text."""
    given = response(f"{summary}.", schema)
    if schema is None:
        given["content"] = {"text/plain": {"schema": TEXT}}
    responses: JSON = {"200": given} | {str(status): REFUSAL_OF[status] for status in (*refusals, 500)}
    return {"operationId": name, "summary": summary, "responses": responses}


def _file(name: str, summary: str, *others: int) -> JSON:
    """Return an operation that returns a file of the page, or one of the statuses `others`."""
    redirect = response("The page is at this path with a slash at the end.", None, "Location")
    given, same = (
        _with_header(response(words, None), "ETag", component="FileTag")
        for words in (f"{summary}.", "The client has it already.")
    )
    responses: JSON = {"200": given | {"content": {"*/*": {"schema": TEXT}}}, "304": same}
    responses |= {str(status): redirect if status == 308 else REFUSAL_OF[status] for status in (*others, 400, 500)}
    return {"operationId": name, "summary": summary, "parameters": ["If-None-Match"], "responses": responses}


def _with_header(answer: JSON, header: str, description: str = "", component: str = "") -> JSON:
    described = {"description": description or answer["description"]}
    return answer | described | {"headers": answer["headers"] | {header: component or header}}


def _head(get: JSON) -> JSON:
    """Return the operation HEAD, whose responses and errors are those of GET without content."""
    responses = {}
    for status, given in get["responses"].items():
        if isinstance(given, str):
            _, description, headers = REFUSALS[given]
            responses[status] = response(description, None, *headers)
        else:
            responses[status] = {name: given[name] for name in ("description", "headers")}
    head: JSON = copy.deepcopy(get)
    head |= {"operationId": f"{get['operationId']}Head", "summary": f"{get['summary']}, headers only"}
    return head | {"responses": responses}


def text() -> str:
    """Return the document of the service as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder))
        store = open_store(settings.data)
        made = document(create_app(settings, store))
        store.database.close()
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"
