"""The build route: PUT /api/v1/admin/build overwrites a build, whole or not at all."""

from typing import Any

import falcon
from marshmallow import ValidationError

from build_admin.models.build import canonical, etag
from build_admin.models.builds import Builds
from build_admin.models.errors import Faulty
from build_admin.resources import unreadable
from build_admin.resources.preconditions import Preconditions
from build_admin.resources.request import address, author, parameters, read_body
from build_admin.schemas import document
from build_admin.schemas.build import BuildSchema
from build_admin.schemas.parameters import OverwriteParameters


class BuildResource:
    """Overwrites the build whose id the body has."""

    def __init__(self, builds: Builds, schema: BuildSchema, max_body: int) -> None:
        """Overwrite `builds` with the bodies that `schema` accepts; `max_body` is their largest size in bytes."""
        self._builds = builds
        self._schema = schema
        self._max_body = max_body

    def on_put(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Overwrite the build, or create it if the client says `If-None-Match: *`; answer with what is stored."""
        dry_run = parameters(OverwriteParameters, req)["dry_run"]
        preconditions = Preconditions.of(req)
        fields = self._load(read_body(req, self._max_body), preconditions.creates)
        repo = fields.pop("repo", None)
        req.context.overwritten = overwritten = self._builds.overwrite(
            fields,
            author(req),
            create=preconditions.creates,
            precondition=preconditions.check if preconditions else None,
            dry_run=dry_run,
        )
        text = canonical(overwritten.build)
        resp.etag = etag(text, overwritten.build)
        unreadable.name_fields(resp, overwritten.build)
        resp.data = text if repo is None else canonical(overwritten.build | {"repo": repo})
        if overwritten.created:
            resp.status = falcon.HTTP_CREATED
            resp.location = address(req, f"/api/v1/admin/builds/{overwritten.build['id']}")

    def _load(self, body: bytes, create: bool) -> dict[str, Any]:
        sent = document.load_object(body)
        try:
            return self._schema.load(sent)  # type: ignore[no-any-return]
        except ValidationError as error:
            faults = error.normalized_messages()
            # A refusal names every fault at once: the fields that the schema accepts are checked against the store too.
            if "id" not in faults:
                sound = {name: value for name, value in sent.items() if name not in faults}
                if "repo" in sound:
                    sound["repo_id"] = sound["repo"]["id"]
                faults = self._builds.faults(sound, create) | faults
            raise Faulty("build", faults) from None
