"""The columns of a build and the durability of SQLite, for the peers with SQLAlchemy."""

from sqlalchemy import BigInteger, Engine, Integer, String, event
from sqlalchemy.orm import Mapped, mapped_column


def make_durable(engine: Engine) -> None:
    """Have SQLite sync each commit to disk, as PostgreSQL does by default."""
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def set_sqlite_pragmas(connection, record):
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")


class BuildColumns:
    """The columns of the table `builds`, as a mixin."""

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
