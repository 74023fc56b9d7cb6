"""The overwrite of a build with Flask, marshmallow and SQLAlchemy, under waitress.

Written like the documentation of Flask, Flask-SQLAlchemy and marshmallow: a blueprint whose `before_request` checks the
token, a schema, `db.session`. The benchmark runs it: `python flask_peer.py PORT`.
"""

import os
import sys

import waitress
from columns import BuildColumns, make_durable
from flask import Blueprint, Flask, abort, g, jsonify, request
from flask_sqlalchemy import SQLAlchemy
from marshmallow import Schema, ValidationError, fields, validate
from shared import STATUSES, administrator
from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Build(BuildColumns, db.Model):
    __tablename__ = "builds"
    __table_args__ = (UniqueConstraint("repo_id", "number"),)


def integer(least: int) -> fields.Integer:
    return fields.Integer(required=True, strict=True, validate=validate.Range(least, 2**63 - 1))


def string(most: int) -> fields.String:
    return fields.String(required=True, validate=validate.Length(max=most))


class BuildSchema(Schema):
    id = integer(1)
    repo_id = integer(1)
    number = integer(1)
    parent = integer(0)
    event = string(250)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    error = string(1000)
    enqueued = integer(0)
    created = integer(0)
    started = integer(0)
    finished = integer(0)
    deploy = string(500)
    clone = string(1000)
    source = string(1000)
    title = string(1000)
    message = string(2000)
    commit = string(500)
    sender = string(250)
    author = string(250)
    branch = string(500)
    ref = string(500)
    base_ref = string(500)
    host = string(250)
    runtime = string(250)
    distribution = string(250)


build_schema = BuildSchema()
admin = Blueprint("admin", __name__, url_prefix="/api/v1/admin")


@admin.before_request
def authenticate():
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    g.subject = administrator(token) if scheme.lower() == "bearer" else None
    if g.subject is None:
        abort(401)


@admin.put("/build")
def overwrite_build():
    try:
        document = build_schema.load(request.get_json())
    except ValidationError as error:
        return jsonify(error="the build is not valid", fields=error.messages), 400
    build = db.get_or_404(Build, document["id"], with_for_update=True)
    for name, value in document.items():
        setattr(build, name, value)
    # The commit expires the object. Dumped after it, the build would be read again.
    answer = build_schema.dump(build)
    db.session.commit()
    return jsonify(answer)


@admin.get("/builds/<int:build_id>")
def read_build(build_id: int):
    return jsonify(build_schema.dump(db.get_or_404(Build, build_id)))


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
    app.json.sort_keys = False
    db.init_app(app)
    app.register_blueprint(admin)
    with app.app_context():
        make_durable(db.engine)
        db.create_all()
    return app


if __name__ == "__main__":
    waitress.serve(create_app(), host="127.0.0.1", port=int(sys.argv[1]), threads=int(os.environ["THREADS"]))
