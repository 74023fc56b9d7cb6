"""The route of repositories: what each is called, for people know a build by that and its number."""

import json
from functools import partial

import falcon

from build_admin.models.repos import Repos
from build_admin.models.stores.database import Database
from build_admin.resources import paging
from build_admin.resources.query import parameters
from build_admin.schemas.parameters import RepoParameters

#: Repositories that are answered at the most.
MAX_REPOS = 1000


class ReposResource:
    """The repositories."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._repos = Repos(database)
        self._parameters = RepoParameters()

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer with those that pass the filters, by id."""
        given = parameters(self._parameters, req)
        work = partial(self._repos.first, MAX_REPOS, given.get("id"), given.get("full_name"))
        repos, total = self._database.snapshot(work)
        resp.set_header("X-Total-Count", str(total))
        resp.data = paging.array(json.dumps(repo, ensure_ascii=False).encode() + b"\n" for repo in repos)

    on_head = on_get
