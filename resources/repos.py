"""The route of repositories: their ids and names, since users know a build by its repository's name and its number."""

import json

import falcon

from build_admin.models.repos import Repos
from build_admin.models.stores.database import Database
from build_admin.resources import paging
from build_admin.resources.request import parameters
from build_admin.schemas.parameters import RepoParameters

#: The most repositories in one answer.
MAX_REPOS = 1000


class ReposResource:
    """The repositories."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._repos = Repos(database)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer with the first of the repositories that pass the filters, by id."""
        given = parameters(RepoParameters, req)
        with self._database.snapshot():
            repos, total = self._repos.first(MAX_REPOS, given.get("id"), given.get("full_name"))
        resp.set_header("X-Total-Count", str(total))
        resp.data = paging.array(json.dumps(repo, ensure_ascii=False).encode() + b"\n" for repo in repos)

    on_head = on_get
