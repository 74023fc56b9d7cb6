"""The schemas of repairs: requests, previews and results."""

from typing import Any

from apispec import APISpec

from build_admin.models.build import DOCUMENTED, NEWER
from build_admin.schemas.repair import WhereSchema

JSON = dict[str, Any]

_COUNT: JSON = {"type": "integer", "minimum": 0}
_NUMBER: JSON = {"type": "integer", "format": "int64", "minimum": 1}
_NUMBER_OR_NONE: JSON = {"type": ["integer", "null"]}
_TEXT: JSON = {"type": "string"}
_TAG: JSON = {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "the build's entity tag, without quotes"}


def repair_schemas(spec: APISpec, change: JSON) -> dict[str, JSON]:
    """Return the schemas by name. `change` is the schema of a field's change; `spec` has the schemas of a build."""
    spec.components.schema("Where", schema=WhereSchema())
    where = spec.components.schemas["Where"]
    where |= {"additionalProperties": False, "minProperties": 1}
    for name in ("ids", "status"):
        where["properties"][name] |= {"minItems": 1}
    whole = spec.components.schemas["WholeBuild"]["properties"]
    settable = {name: whole[name] for name in (*DOCUMENTED, *NEWER) if name not in ("id", "repo_id", "number")}
    assigned = {"type": "object", "additionalProperties": False, "minProperties": 1, "properties": settable}
    reason = {"type": "string", "minLength": 1, "maxLength": 1000, "description": "kept with the repair"}
    changes = {"type": "object", "propertyNames": {"enum": [*DOCUMENTED, *NEWER]}, "additionalProperties": change}
    skipped = _items(_whole({"id": _NUMBER, "why": _TEXT}), "builds that are not restored, with the reason")
    counts = {"selected": _COUNT, "changed": _COUNT, "unchanged": _COUNT, "alive": _COUNT}
    builds = _items(_whole({"id": _NUMBER, "etag": _TAG, "changes": changes}), "the builds that change, by id")
    repair = {
        "repair": _NUMBER | {"description": "1, 2, …"},
        "at": {"type": "integer", "format": "int64", "minimum": 0, "description": "Unix seconds"},
        "by": {"type": "string", "description": "the token's subject"},
        "request_id": _TEXT,
        "reason": _TEXT,
        "where": {"type": ["object", "null"], "description": "the selection; null for an undo"},
        "set": {"type": ["object", "null"], "description": "the new values; null for an undo"},
        "undoes": _NUMBER_OR_NONE | {"description": "the repair that this one has undone"},
        "undone_by": _NUMBER_OR_NONE | {"description": "the last repair that has undone this one"},
        "changed": _COUNT | {"description": "the number of builds that it has changed"},
    }
    repaired = {
        "id": _NUMBER,
        "revision": _NUMBER | {"description": "the revision that the repair has made"},
        "changes": changes,
        "state": {"enum": ["as repaired", "changed since", "gone"]},
    }
    since = {
        "by": {"type": "string", "description": "the user of its last revision, if it has changed since"},
        "revision_since": _NUMBER | {"description": "that revision"},
    }
    return {
        "WantedRepair": _whole({"where": _ref("Where"), "set": assigned, "reason": reason}),
        "WantedUndo": _whole({"reason": reason}),
        "RepairPlan": _whole({**counts, "builds": builds}),
        "UndoPlan": _whole({**counts, "skipped": skipped, "builds": builds}),
        "Repair": _whole(repair),
        "Undo": _whole({**repair, "skipped": skipped}),
        "RepairedBuild": _whole(repaired) | {"properties": repaired | since},
    }


def _whole(properties: dict[str, JSON]) -> JSON:
    return {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": False}


def _items(schema: JSON, description: str) -> JSON:
    return {"type": "array", "items": schema, "description": description}


def _ref(name: str) -> JSON:
    return {"$ref": f"#/components/schemas/{name}"}
