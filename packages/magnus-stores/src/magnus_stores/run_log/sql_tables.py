"""The tables of the run log store `sql`, and how a record is put into them.

Names and bodies are bytes, UTF-8 with lone surrogates let through, for PostgreSQL's text takes neither those nor NUL. To
read them, use `convert_from(body, 'UTF8')` on PostgreSQL and `cast(body as text)` on SQLite.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from magnus.domain.records import Record, RecordKind
from magnus.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = 1

_CREATION_LOCK = 0x6D61676E7573
"""A number of our own: `create table if not exists` fails on PostgreSQL when two do it at the same time."""

_metadata = sa.MetaData()

_schema = sa.Table("magnus_schema", _metadata, sa.Column("version", sa.Integer, nullable=False))

runs = sa.Table("magnus_runs", _metadata, sa.Column("run_id", sa.Text, primary_key=True))

records = sa.Table(
    "magnus_records",
    _metadata,
    # Orders the records by when they were first written: what replaces a record leaves it as it is.
    sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("run_id", sa.Text, sa.ForeignKey(runs.c.run_id, ondelete="CASCADE"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    # Stands for the name in the index, which takes no entry as long as a name may be.
    sa.Column("name_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("name", sa.LargeBinary, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    # Changes with every write: SQLite writes nothing, and so syncs nothing, for a row that is replaced by an equal one.
    sa.Column("revision", sa.Integer, nullable=False, server_default="0"),
    sa.UniqueConstraint("run_id", "kind", "name_hash"),
    sqlite_autoincrement=True,
)


def create_tables(connection: sa.Connection) -> None:
    """Create what is missing, in the transaction of *connection*.

    Raises:
        ServiceError: The tables are of a version that is not known here.
    """
    if not sa.inspect(connection).has_table(_schema.name):
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CREATION_LOCK)))
        _metadata.create_all(connection)
    version = connection.execute(sa.select(_schema.c.version)).scalar()
    if version is None:
        connection.execute(sa.insert(_schema).values(version=VERSION))
    elif version != VERSION:
        raise ServiceError(
            f"the run log database has tables of version {version}, and this version of magnus-stores knows {VERSION}; "
            "upgrade magnus-stores, or name another database"
        )


@cache
def upsert(dialect: str, kind: RecordKind) -> sa.Insert:
    """Return the statement that writes a record of *kind*; takes what `row` returns."""
    insert: Callable[..., Any] = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(records)
    changes = {"revision": records.c.revision + 1}
    if kind != RecordKind.VALUE:  # those are never changed
        changes["body"] = statement.excluded.body
    written: sa.Insert = statement.on_conflict_do_update(
        index_elements=["run_id", "kind", "name_hash"], set_=changes
    )
    return written


def row(run_id: str, record: Record) -> dict[str, Any]:
    """Return the columns of *record*."""
    name = encode(record.name)
    return {
        "run_id": run_id,
        "kind": str(record.kind),
        "name_hash": hash_name(record.name),
        "name": name,
        "body": encode(record.body),
    }


def hash_name(name: str) -> bytes:
    """Return what stands for *name* in the index."""
    return hashlib.sha256(encode(name)).digest()


def encode(text: str) -> bytes:
    """Return *text* as it is stored."""
    return text.encode(errors="surrogatepass")


def decode(data: bytes) -> str:
    """Return what `encode` was given."""
    return data.decode(errors="surrogatepass")
