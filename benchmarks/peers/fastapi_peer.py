"""The overwrite of a build with FastAPI, pydantic and SQLAlchemy, under uvicorn.

Written as FastAPI's tutorial has it: pydantic models, `def` path operations in the thread pool, a session a request
from a dependency, a bearer token checked in another. Run by the benchmark: `python fastapi_peer.py PORT`.
"""

import os
import sys
from collections.abc import Iterator
from typing import Annotated, Literal

import jwt
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import BigInteger, Integer, String, UniqueConstraint, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

DATABASE_URL = os.environ["DATABASE_URL"]
SIGNING_KEY = os.environ["SIGNING_KEY"]

engine = create_engine(DATABASE_URL)

if engine.dialect.name == "sqlite":

    @event.listens_for(engine, "connect")
    def set_sqlite_pragmas(connection, record):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")


class Base(DeclarativeBase):
    pass


class Build(Base):
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


PositiveInt = Annotated[int, Field(strict=True, ge=1, le=2**63 - 1)]
UnsignedInt = Annotated[int, Field(strict=True, ge=0, le=2**63 - 1)]
Str250 = Annotated[str, Field(max_length=250)]
Str500 = Annotated[str, Field(max_length=500)]
Str1000 = Annotated[str, Field(max_length=1000)]
Str2000 = Annotated[str, Field(max_length=2000)]
Status = Literal[
    "created", "pending", "pending approval", "running", "success", "failure", "error", "killed", "canceled", "skipped"
]


class BuildDocument(BaseModel):
    model_config = ConfigDict(extra="forbid", from_attributes=True)

    id: PositiveInt
    repo_id: PositiveInt
    number: PositiveInt
    parent: UnsignedInt
    event: Str250
    status: Status
    error: Str1000
    enqueued: UnsignedInt
    created: UnsignedInt
    started: UnsignedInt
    finished: UnsignedInt
    deploy: Str500
    clone: Str1000
    source: Str1000
    title: Str1000
    message: Str2000
    commit: Str500
    sender: Str250
    author: Str250
    branch: Str500
    ref: Str500
    base_ref: Str500
    host: Str250
    runtime: Str250
    distribution: Str250


def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


bearer = HTTPBearer(auto_error=False)


def administrator(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> str:
    if credentials is None:
        raise HTTPException(401, "a token is needed", {"WWW-Authenticate": "Bearer"})
    try:
        claims = jwt.decode(credentials.credentials, SIGNING_KEY, ["HS256"], options={"require": ["exp", "sub"]})
    except jwt.InvalidTokenError:
        raise HTTPException(401, "the token is not valid", {"WWW-Authenticate": "Bearer"}) from None
    if claims.get("token_type") != "UserAccess" or not claims.get("is_active") or not claims.get("is_admin"):
        raise HTTPException(401, "the user is not an administrator", {"WWW-Authenticate": "Bearer"})
    return claims["sub"]


router = APIRouter(prefix="/api/v1/admin", dependencies=[Depends(administrator)])


@router.put("/build")
def overwrite_build(document: BuildDocument, session: Annotated[Session, Depends(get_session)]) -> BuildDocument:
    build = session.get(Build, document.id, with_for_update=True)
    if build is None:
        raise HTTPException(404, "no such build")
    for name, value in document.model_dump().items():
        setattr(build, name, value)
    session.commit()
    return document


@router.get("/builds/{build_id}")
def read_build(build_id: int, session: Annotated[Session, Depends(get_session)]) -> BuildDocument:
    build = session.get(Build, build_id)
    if build is None:
        raise HTTPException(404, "no such build")
    return BuildDocument.model_validate(build)


app = FastAPI()
app.include_router(router)

if __name__ == "__main__":
    Base.metadata.create_all(engine)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False)
