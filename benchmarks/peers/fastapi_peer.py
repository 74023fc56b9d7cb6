"""The overwrite of a build with FastAPI, pydantic and SQLAlchemy, under uvicorn.

Written like FastAPI's tutorial: pydantic models, `def` path operations in the thread pool, and dependencies for the
session and the token. The benchmark runs it: `python fastapi_peer.py PORT`.
"""

import os
import sys
from collections.abc import Iterator
from typing import Annotated, Literal

import uvicorn
from columns import BuildColumns, make_durable
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from shared import STATUSES, administrator
from sqlalchemy import UniqueConstraint, create_engine
from sqlalchemy.orm import DeclarativeBase, Session

engine = create_engine(os.environ["DATABASE_URL"])
make_durable(engine)


class Base(DeclarativeBase):
    pass


class Build(BuildColumns, Base):
    __tablename__ = "builds"
    __table_args__ = (UniqueConstraint("repo_id", "number"),)


PositiveInt = Annotated[int, Field(strict=True, ge=1, le=2**63 - 1)]
UnsignedInt = Annotated[int, Field(strict=True, ge=0, le=2**63 - 1)]
Str250 = Annotated[str, Field(max_length=250)]
Str500 = Annotated[str, Field(max_length=500)]
Str1000 = Annotated[str, Field(max_length=1000)]
Str2000 = Annotated[str, Field(max_length=2000)]
Status = Literal[STATUSES]


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


def authenticate(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> None:
    if credentials is None or administrator(credentials.credentials) is None:
        raise HTTPException(401, "an administrator's token is needed", {"WWW-Authenticate": "Bearer"})


router = APIRouter(prefix="/api/v1/admin", dependencies=[Depends(authenticate)])


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
