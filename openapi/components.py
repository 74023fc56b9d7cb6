"""Components: what requests and responses have in common; a build's schemas are made from the one that checks it."""

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
    "X-Request-ID": {"description": "The request's id: the client's own if it can be used, else a new one.",
                     "required": True, "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}},
    "ETag": {"description": "The entity tag of the build or plan, for If-Match and If-None-Match.",
             "required": True, "schema": {"type": "string", "pattern": '^"[0-9a-f]{32}"$'}},
    "FileTag": {"description": "The file's entity tag, for If-None-Match.",
                "required": True, "schema": {"type": "string", "pattern": '^"[0-9a-f]{32}"$'}},
    "Location": {"description": "Where it is, as a relative reference.",
                 "required": True, "schema": {"type": "string", "format": "uri-reference"}},
    "Link": {"description": "The first, previous, next and last page, as relative references (RFC 8288).",
             "required": True, "schema": TEXT},
    "Rest": {"description": "Where the queue goes on, if it has more builds than are shown at once; its pages, if it "
                            "is asked for by page (RFC 8288).",
             "schema": TEXT},
    "X-Total-Count": {"description": "How many there are on all pages.",
                      "required": True, "schema": {"type": "integer", "minimum": 0}},
    "X-Unreadable": {"description": "The fields that are shown as far as they can be, for what is stored is no text, "
                                    "or no value of theirs: `title, deploy_payload` where there is one build, and "
                                    "`7.title, 9.event` where it has several; after a hundred of them `...`.",
                     "schema": TEXT},
    "Retry-After": {"description": "Seconds after which to try again.",
                    "required": True, "schema": {"type": "integer", "minimum": 0}},
    "WWW-Authenticate": {"description": "The scheme that is asked for.", "required": True, "schema": TEXT},
    "Allow": {"description": "The methods that the path takes.", "required": True, "schema": TEXT},
    "Accept": {"description": "The media type that is taken.", "schema": TEXT},
    "Accept-Encoding": {"description": "The encoding that is taken: none.", "schema": TEXT},
}  # fmt: skip

_PARAMETERS: dict[str, tuple[str, JSON]] = {
    "build_id": ("path", {"required": True, "schema": _ID, "description": "The build's id.", "example": 1}),
    "name": ("path", {"required": True, "schema": TEXT, "description": "A file, or a folder.", "example": "main.js"}),
    "file": ("path", {"required": True, "schema": TEXT, "description": "A file.", "example": "table.js"}),
    "revision": ("path", {"required": True, "schema": _ID, "description": "The revision's number.", "example": 1}),
    "repair": ("path", {"required": True, "schema": _ID, "description": "The repair's number.", "example": 1}),
    "If-Match": ("header", {"schema": {"type": "string", "pattern": _TAGS_PATTERN},
                            "description": "Go on only if the build has one of these entity tags, or exists (`*`)."}),
    "If-None-Match": ("header", {"schema": {"type": "string", "pattern": _TAGS_PATTERN},
                                 "description": "Go on only if the build has none of these entity tags; "
                                                "`*` creates a build where there is none."}),
    "X-Request-ID": ("header", {"schema": TEXT,
                                "description": "An id of 1 to 64 letters, digits, `.`, `_` and `-`; "
                                               "any other is replaced."}),
}  # fmt: skip

#: The answers that refuse, by component: the status, what it means, and the headers it has beside X-Request-ID.
REFUSALS: dict[str, tuple[int, str, tuple[str, ...]]] = {
    "BadRequest": (400, "Something in the request is not as it must be; a refused build has every fault by field.", ()),
    "Unauthorized": (401, "There is no valid administrator's token.", ("WWW-Authenticate",)),
    "NotFound": (404, "There is no such build, revision or repair.", ()),
    "MethodNotAllowed": (405, "The path does not take this method.", ("Allow",)),
    "Conflict": (409, "Another build has this repo_id and number.", ()),
    "PreconditionFailed": (412, "The build is not in the state that If-Match or If-None-Match demands.", ()),
    "PreconditionRequired": (428, "The tag of what this was decided on is missing in If-Match.", ()),
    "ContentTooLarge": (413, "The body has more than 256 KiB.", ()),
    "UnsupportedMediaType": (415, "The body is not JSON in UTF-8, or is encoded.", ("Accept", "Accept-Encoding")),
    "InternalServerError": (500, "A defect; the log has its details under the request's id.", ()),
    "NotImplemented": (501, "The method is not known.", ()),
    "ServiceUnavailable": (503, "The database cannot be used at the moment; nothing was stored.", ("Retry-After",)),
}
#: The component of each status that refuses.
REFUSAL_OF = {status: name for name, (status, _, _) in REFUSALS.items()}


def add_components(spec: APISpec) -> None:
    """Add every component to `spec`."""
    spec.components.security_scheme(
        "bearer",
        {"type": "http", "scheme": "bearer", "bearerFormat": "JWT",
         "description": "The token that a Vela server with the same signing key issues to its administrators."},
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
    """Return the schemas; those of a build are made from the schema that a request is checked with."""
    spec.components.schema("WholeBuild", schema=BuildSchema())
    whole = spec.components.schemas["WholeBuild"]
    whole["description"] = "A build to be stored: every documented field, and repo_id or repo, which must agree."
    whole["anyOf"] = [{"required": ["repo_id"]}, {"required": ["repo"]}]
    whole["examples"] = [SAMPLE]
    repo = whole["properties"]["repo"]
    repo |= {"required": ["id"], "properties": {"id": _ID}, "description": "What later Vela servers send for repo_id."}
    # What is stored may have been written by a Vela server, which has other limits.
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
        "repair": {"type": ["integer", "null"], "description": "the repair that it was part of"},
        "changes": {"type": "object", "description": "what differs, by field; null for no value",
                    "propertyNames": {"enum": [*DOCUMENTED, *NEWER]}, "additionalProperties": change},
    }  # fmt: skip
    before = {"anyOf": [{"type": "null"}, ref("FormerBuild")]}
    listed = whole_object(revision)
    faults = {"type": "object", "additionalProperties": {"type": "array", "items": TEXT}}
    return repair_schemas(spec, change) | {
        "Build": shape | {"properties": present, "description": "A build; a newer field is there if it "
                          "has a value, also one that cannot be shown."},
        "StoredBuild": shape | {"properties": present | {"repo": repo}, "description": "A build, and repo as sent."},
        "FormerBuild": shape | {"properties": types, "description": "A build as it was, ready to be put back: a newer "
                                "field that it had no value in, and now has, is null."},
        "StuckBuild": whole_object({
            "build": ref("Build"),
            "etag": _TAG | {"description": "the build's entity tag, without the quotes that it has in a header"},
            "since": _SECONDS | {"description": "Unix seconds at which it was created (pending) or started (running)"},
            "evidence": {"type": "array", "items": TEXT, "minItems": 1,
                         "description": "a sentence for each fact that speaks for or against the build being dead"},
            "alive": {"type": "boolean", "description": "whether a worker that has checked in says that it runs it"},
        }),
        "QueuedBuild": shape | {"properties": present | {"full_name": TEXT},
                                "description": "A build, and what its repository is called where that is known."},
        "ListedRevision": listed,
        "Repo": whole_object({"id": _ID, "full_name": TEXT}),
        "Revision": listed | {"required": [*revision, "before"], "properties": revision | {"before": before}},
        "Error": {"type": "object", "required": ["error"], "additionalProperties": False,
                  "properties": {"error": {"type": "string", "description": "what is wrong and what to do"},
                                 "fields": faults | {"description": "every fault, by field"}}},
    }  # fmt: skip


def _not_null(kind: str | list[str]) -> str | list[str]:
    return kind if isinstance(kind, str) else next(name for name in kind if name != "null")


def response(description: str, schema: JSON | None, *headers: str, example: Any = None) -> JSON:
    """Return a response with a JSON body, none without a schema, and with these headers beside X-Request-ID."""
    made: JSON = {"description": description, "headers": {name: name for name in ("X-Request-ID", *headers)}}
    if schema is not None:
        content: JSON = {"schema": schema} | ({"example": example} if example else {})
        made["content"] = {"application/json": content}
    return made


def whole_object(properties: dict[str, JSON]) -> JSON:
    """Return the schema of an object that has all of these properties and no others."""
    return {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": False}


def ref(name: str) -> JSON:
    """Return a reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}
