"""The overwrite of a build with Flask, marshmallow and SQLAlchemy, under waitress.

Written as the documentation of Flask, Flask-SQLAlchemy and marshmallow has it: a blueprint whose `before_request`
checks the token, a schema, `db.session`. Run by the benchmark: `python flask_peer.py PORT`.
"""

import os
import sys

import jwt
import waitress
from flask import Blueprint, Flask, abort, g, jsonify, request
from flask_sqlalchemy import SQLAlchemy
from marshmallow import Schema, ValidationError, fields, validate
from sqlalchemy import BigInteger, Integer, String, UniqueConstraint, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SIGNING_KEY = os.environ["SIGNING_KEY"]


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Build(db.Model):
    __tablename__ = "builds"
    __table_args__ = (UniqueConstraint("repo_id", "number"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    repo_id: Mapped[int] = mapped_column(BigInteger)
    number: Mapped[int] = mapped_column(BigInteger)
    parent: Mapped[int] = mapped_column(BigInteger)
    event: Mapped[str] = mapped_column(String(250))
    status: Mapped[str] = mapped_column(String(250), index=True)
    error: Mapped[str] = mapped_column(String(1000))
    enqueued: Mapped[int] = mapped_column(BigInteger)
    created: Mapped[int] = mapped_column(BigInteger, index=True)
    started: Mapped[int] = mapped_column(BigInteger)
    finished: Mapped[int] = mapped_column(BigInteger)
    deploy: Mapped[str] = mapped_column(String(500))
    clone: Mapped[str] = mapped_column(String(1000))
    source: Mapped[str] = mapped_column(String(1000))
    title: Mapped[str] = mapped_column(String(1000))
    message: Mapped[str] = mapped_column(String(2000))
    commit: Mapped[str] = mapped_column(String(500))
    sender: Mapped[str] = mapped_column(String(250))
    author: Mapped[str] = mapped_column(String(250))
    branch: Mapped[str] = mapped_column(String(500))
    ref: Mapped[str] = mapped_column(String(500))
    base_ref: Mapped[str] = mapped_column(String(500))
    host: Mapped[str] = mapped_column(String(250))
    runtime: Mapped[str] = mapped_column(String(250))
    distribution: Mapped[str] = mapped_column(String(250))


STATUSES = [
    "created", "pending", "pending approval", "running", "success",
    "failure", "error", "killed", "canceled", "skipped",
]  # fmt: skip


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
def administrator():
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        abort(401)
    try:
        claims = jwt.decode(token, SIGNING_KEY, ["HS256"], options={"require": ["exp", "sub"]})
    except jwt.InvalidTokenError:
        abort(401)
    if claims.get("token_type") != "UserAccess" or not claims.get("is_active") or not claims.get("is_admin"):
        abort(401)
    g.subject = claims["sub"]


@admin.put("/build")
def overwrite_build():
    try:
        document = build_schema.load(request.get_json())
    except ValidationError as error:
        return jsonify(error="the build is not valid", fields=error.messages), 400
    build = db.get_or_404(Build, document["id"], with_for_update=True)
    for name, value in document.items():
        setattr(build, name, value)
    # Dumped before the commit, which expires the object: dumped after it, the build would be read once more.
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
        if db.engine.dialect.name == "sqlite":

            @event.listens_for(db.engine, "connect")
            def set_sqlite_pragmas(connection, record):
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")

        db.create_all()
    return app


if __name__ == "__main__":
    waitress.serve(create_app(), host="127.0.0.1", port=int(sys.argv[1]), threads=int(os.environ["THREADS"]))
