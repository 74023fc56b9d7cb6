"""Revision: what one overwrite changed, who asked for it, and what was there before."""

from peewee import BigIntegerField, CompositeKey, Model, TextField


class Revision(Model):
    """A row of `build_revisions`. There is no way to change one, and no foreign key: history outlives its build."""

    build_id = BigIntegerField()
    revision = BigIntegerField()
    at = BigIntegerField()
    by = TextField()
    request_id = TextField()
    changes = TextField()
    before = TextField(null=True)

    class Meta:
        table_name = "build_revisions"
        primary_key = CompositeKey("build_id", "revision")
