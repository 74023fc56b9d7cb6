"""Components of the document. The schemas of a build are made from the schema that validates requests."""

from typing import Any

from apispec import APISpec

from build_admin.models.build import DOCUMENTED, NEWER
from build_admin.openapi.repairs import repair_schemas
from build_admin.schemas.build import BuildSchema
from build_admin.schemas.fields import MAX_INTEGER
from build_admin.schemas.sample import SAMPLE

JSON = dict[str, Any]

_TAGS_PATTERN = r'^(\*|(W/)?"[!#-~]*"([ \t]*,[ \t]*(W/)?"[!#-~]*")*)$'
_ID = {"type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_INTEGER}
TEXT = {"type": "string"}
_TAG: JSON = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_SECONDS: JSON = {"type": "integer", "format": "int64", "minimum": 0, "description": "Unix seconds"}

_HEADERS: dict[str, JSON] = {
    "X-Request-ID": {"description": "The request's id: the client's own if it is valid, else a new one.",
                     "required": True, "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}},
    "ETag": {"description": "The entity tag of the build or plan, for If-Match and If-None-Match.",
             "required": True, "schema": {"type": "string", "pattern": '^"[0-9a-f]{32}"$'}},
    "FileTag": {"description": "The file's entity tag, for If-None-Match.",
                "required": True, "schema": {"type": "string", "pattern": '^"[0-9a-f]{32}"$'}},
    "Location": {"description": "The new resource, as a relative reference.",
                 "required": True, "schema": {"type": "string", "format": "uri-reference"}},
    "Link": {"description": "The first, previous, next and last page, as relative references (RFC 8288).",
             "required": True, "schema": TEXT},
    "Rest": {"description": "The next part of the queue, if there is one; or its pages, if the request has `page` or "
                            "`per_page` (RFC 8288).",
             "schema": TEXT},
    "X-Total-Count": {"description": "The number of items on all pages.",
                      "required": True, "schema": {"type": "integer", "minimum": 0}},
    "Total": {"description": "The number of items on all pages. It and the link to the last page are left out if there "
                             "is a next page and the builds are too many to be counted: more than 10,000 that match "
                             "each of several filters, or more than 100,000 for one filter or none.",
              "schema": {"type": "integer", "minimum": 0}},
    "X-Unreadable": {"description": "The fields whose stored values cannot be shown exactly: `title, deploy_payload` "
                                    "for one build, `7.title, 9.event` for several; at most a hundred, then `...`.",
                     "schema": TEXT},
    "Retry-After": {"description": "Seconds after which to try again.",
                    "required": True, "schema": {"type": "integer", "minimum": 0}},
    "WWW-Authenticate": {"description": "The required scheme.", "required": True, "schema": TEXT},
    "Allow": {"description": "The methods that the path supports.", "required": True, "schema": TEXT},
    "Accept": {"description": "The supported media type.", "schema": TEXT},
    "Accept-Encoding": {"description": "Empty, as no encoding is supported.", "schema": TEXT},
}  # fmt: skip

_PARAMETERS: dict[str, tuple[str, JSON]] = {
    "build_id": ("path", {"required": True, "schema": _ID, "description": "The build's id.", "example": 1}),
    "name": ("path", {"required": True, "schema": TEXT, "description": "A file, or a folder.", "example": "main.js"}),
    "file": ("path", {"required": True, "schema": TEXT, "description": "A file.", "example": "table.js"}),
    "revision": ("path", {"required": True, "schema": _ID, "description": "The revision's number.", "example": 1}),
    "repair": ("path", {"required": True, "schema": _ID, "description": "The repair's number.", "example": 1}),
    "If-Match": ("header", {"schema": {"type": "string", "pattern": _TAGS_PATTERN},
                            "description": "The build must have one of these entity tags, or exist (`*`)."}),
    "If-None-Match": ("header", {"schema": {"type": "string", "pattern": _TAGS_PATTERN},
                                 "description": "The build must have none of these entity tags, or not exist (`*`): "
                                                "a PUT with `*` creates it."}),
    "X-Request-ID": ("header", {"schema": TEXT,
                                "description": "An id of 1 to 64 letters, digits, `.`, `_` and `-`. "
                                               "An invalid one is replaced."}),
}  # fmt: skip

#: The error responses by component: the status, its meaning, and the headers in addition to X-Request-ID.
REFUSALS: dict[str, tuple[int, str, tuple[str, ...]]] = {
    "BadRequest": (400, "The request is not valid; `fields` has every fault of a build.", ()),
    "Unauthorized": (401, "There is no valid administrator's token.", ("WWW-Authenticate",)),
    "NotFound": (404, "There is no such build, revision or repair.", ()),
    "MethodNotAllowed": (405, "The path does not support this method.", ("Allow",)),
    "Conflict": (409, "Another build has this repo_id and number, or the database refuses it.", ()),
    "PreconditionFailed": (412, "The state does not meet If-Match or If-None-Match.", ()),
    "PreconditionRequired": (428, "If-Match with the tag of the preview or of the build is missing.", ()),
    "ContentTooLarge": (413, "The body has more than 256 KiB.", ()),
    "UnsupportedMediaType": (415, "The body is not JSON in UTF-8, or is encoded.", ("Accept", "Accept-Encoding")),
    "InternalServerError": (500, "A defect of the service; the log has the details with the request's id.", ()),
    "NotImplemented": (501, "The method is not known.", ()),
    "ServiceUnavailable": (503, "The database is unavailable; nothing was stored.", ("Retry-After",)),
}
#: The component of each error status.
REFUSAL_OF = {status: name for name, (status, _, _) in REFUSALS.items()}


def add_components(spec: APISpec) -> None:
    """Add every component to `spec`."""
    spec.components.security_scheme(
        "bearer",
        {"type": "http", "scheme": "bearer", "bearerFormat": "JWT",
         "description": "A token that a Vela server with the same signing key issues to a platform administrator."},
    )  # fmt: skip
    for name, header in _HEADERS.items():
        spec.components.header(name, header)
    for name, (place, parameter) in _PARAMETERS.items():
        spec.components.parameter(name, place, parameter)
    for name, schema in _schemas(spec).items():
        spec.components.schema(name, schema)
    for name, (_, description, headers) in REFUSALS.items():
        spec.components.response(name, response(description, ref("Error"), *headers))


def _schemas(spec: APISpec) -> dict[str, JSON]:
    """Return the schemas by name."""
    spec.components.schema("WholeBuild", schema=BuildSchema())
    whole = spec.components.schemas["WholeBuild"]
    whole["description"] = "A build to be stored: every documented field, and repo_id or repo, which must agree."
    whole["anyOf"] = [{"required": ["repo_id"]}, {"required": ["repo"]}]
    whole["examples"] = [SAMPLE]
    repo = whole["properties"]["repo"]
    repo |= {"required": ["id"], "properties": {"id": _ID}, "description": "Sent by later Vela servers for repo_id."}
    # Stored builds have no limits, because a Vela server may have written them.
    types = {name: {"type": whole["properties"][name]["type"]} for name in (*DOCUMENTED, *NEWER)}
    types["deploy_payload"]["additionalProperties"] = TEXT
    present = {name: types[name] | {"type": _not_null(types[name]["type"])} for name in types}
    shape = {"type": "object", "required": list(DOCUMENTED), "additionalProperties": False}
    change = {"type": "object", "required": ["from", "to"], "properties": {"from": {}, "to": {}}}
    revision: dict[str, JSON] = {
        "revision": _ID | {"description": "1, 2, … for each build"},
        "build_id": _ID,
        "at": _SECONDS,
        "by": {"type": "string", "description": "the token's subject"},
        "request_id": TEXT,
        "repair": {"type": ["integer", "null"], "description": "the repair that has made it"},
        "changes": {"type": "object", "description": "the changes by field; null is no value",
                    "propertyNames": {"enum": [*DOCUMENTED, *NEWER]}, "additionalProperties": change},
    }  # fmt: skip
    before = {"anyOf": [{"type": "null"}, ref("FormerBuild")]}
    listed = whole_object(revision)
    faults = {"type": "object", "additionalProperties": {"type": "array", "items": TEXT}}
    return repair_schemas(spec, change) | {
        "Build": shape | {"properties": present, "description": "A build. A newer field is "
                          "included only if it has a value."},
        "StoredBuild": shape | {"properties": present | {"repo": repo}, "description": "A build, and repo as sent."},
        "FormerBuild": shape | {"properties": types, "description": "An earlier state of a build, in the form for a "
                                "PUT: a newer field that has got its value later is null."},
        "StuckBuild": whole_object({
            "build": ref("Build"),
            "etag": _TAG | {"description": "the build's entity tag, without quotes"},
            "since": _SECONDS | {"description": "Unix seconds at which it was created (pending) or started (running)"},
            "evidence": {"type": "array", "items": TEXT, "minItems": 1,
                         "description": "sentences about whether the build is still run"},
            "alive": {"type": "boolean", "description": "whether a worker that has checked in recently runs it"},
        }),
        "QueuedBuild": shape | {"properties": present | {"full_name": TEXT},
                                "description": "A build, with the name of its repository if that is known."},
        "ListedRevision": listed,
        "Repo": whole_object({"id": _ID, "full_name": TEXT}),
        "Revision": listed | {"required": [*revision, "before"], "properties": revision | {"before": before}},
        "Error": {"type": "object", "required": ["error"], "additionalProperties": False,
                  "properties": {"error": {"type": "string", "description": "the cause, and what to do"},
                                 "fields": faults | {"description": "every fault, by field"}}},
    }  # fmt: skip


def _not_null(kind: str | list[str]) -> str | list[str]:
    return kind if isinstance(kind, str) else next(name for name in kind if name != "null")


def response(description: str, schema: JSON | None, *headers: str, example: Any = None) -> JSON:
    """Return a response with a JSON body if there is a schema, and with these headers in addition to X-Request-ID."""
    made: JSON = {"description": description, "headers": {name: name for name in ("X-Request-ID", *headers)}}
    if schema is not None:
        content: JSON = {"schema": schema} | ({"example": example} if example else {})
        made["content"] = {"application/json": content}
    return made


def whole_object(properties: dict[str, JSON]) -> JSON:
    """Return the schema of an object with exactly these properties."""
    return {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": False}


def ref(name: str) -> JSON:
    """Return a reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}
