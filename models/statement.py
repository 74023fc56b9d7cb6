"""Statement: an SQL statement that peewee compiles once and that is executed many times with new values."""

from collections.abc import Mapping
from typing import Any

import peewee


class Statement:
    """A query in which each value is the name of the parameter that takes its place.

    Peewee takes longer to compile a build's UPDATE than SQLite takes to run it, and the text never changes.
    """

    def __init__(self, database: peewee.Database, query: peewee.Query) -> None:
        """Compile `query`, whose values are `peewee.Value(name, converter=False)`, for `database`."""
        self._database = database
        self._sql, self._names = database.get_sql_context().sql(query).query()

    def execute(self, values: Mapping[str, Any]) -> Any:
        """Execute the statement with `values`, by parameter name, and return the DB-API cursor."""
        return self._database.execute_sql(self._sql, [values[name] for name in self._names])
