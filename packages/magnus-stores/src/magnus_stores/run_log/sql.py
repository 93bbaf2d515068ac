"""The run log store `sql`: records in the tables of SQLite or PostgreSQL."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from magnus.domain.capabilities import Reach, ServiceCapabilities
from magnus.domain.names import run_id_problem
from magnus.domain.records import Record, RecordKind
from magnus.errors import RunLogExistsError, RunLogNotFoundError
from magnus.ports.run_log_store import RunLogStore
from magnus_stores.run_log import sql_tables as tables
from magnus_stores.run_log.failures import reported
from magnus_stores.run_log.sql_database import Database, in_memory, is_server, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

_BATCH = 200
"""Records that are read at once."""


@dataclass(frozen=True, slots=True)
class SqlOptions:
    """Options of `sql`.

    Attributes:
        url: `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`; a file is relative to the working
            directory of the run. PostgreSQL's own variables (`PGPASSWORD` and so on) give what is left out.
    """

    url: str = "sqlite:///.run_log_store/run_log.db"


class SqlRunLogStore(RunLogStore):
    """Keeps each record in a row; one `put` is one transaction."""

    Options = SqlOptions

    def __init__(self, options: SqlOptions | None = None) -> None:
        """Understand the URL; the connection is made, and tables are, when they are first needed."""
        super().__init__(options)
        self._database = Database(self.options.url)
        self._ready = False

    @classmethod
    def capabilities(cls, options: Any) -> ServiceCapabilities:
        """Reach as far as the database does."""
        url = parse(options.url)
        if in_memory(url):
            return ServiceCapabilities(reach=Reach.PROCESS, concurrent_writers=False, persistent=False)
        return ServiceCapabilities(reach=Reach.NETWORK if is_server(url) else Reach.HOST)

    def create_run(self, run_id: str, records: Sequence[Record]) -> None:
        """See the port."""
        self._make_ready()

        def create(connection: sa.Connection) -> None:
            connection.execute(sa.insert(tables.runs).values(run_id=run_id))
            self._write(connection, run_id, records)

        try:
            self._database.write(create)
        except sa.exc.IntegrityError as error:
            raise RunLogExistsError(
                f"the run {run_id!r} exists already in {self._database.shown}; choose another run id"
            ) from error

    def put(self, run_id: str, records: Sequence[Record], *, durable: bool = True) -> None:
        """See the port."""
        self._make_ready_for(run_id)
        try:
            self._database.write(lambda connection: self._write(connection, run_id, records), durable=durable)
        except sa.exc.IntegrityError as error:  # the row of the run is what those of its records refer to
            raise self._unknown(run_id) from error

    def get(self, run_id: str, kind: RecordKind, name: str) -> str | None:
        """See the port."""
        columns = tables.records.c
        wanted = sa.select(columns.body).where(
            columns.run_id == run_id, columns.kind == str(kind), columns.name_hash == tables.hash_name(name)
        )

        def find(connection: sa.Connection) -> bytes | None:
            body: bytes | None = connection.execute(wanted).scalar()
            if body is None:
                self._check_run(connection, run_id)
            return body

        self._make_ready_for(run_id)
        body = self._database.read(find)
        return None if body is None else tables.decode(body)

    def scan(self, run_id: str, kinds: Collection[RecordKind] | None = None) -> Iterator[Record]:
        """See the port."""
        columns = tables.records.c
        wanted = sa.select(columns.sequence).where(columns.run_id == run_id)
        if kinds is not None:
            wanted = wanted.where(columns.kind.in_(sorted(kinds)))

        def find(connection: sa.Connection) -> list[int]:
            self._check_run(connection, run_id)
            return sorted(connection.scalars(wanted))

        self._make_ready_for(run_id)
        return self._read_in_batches(self._database.read(find))

    def list_runs(self) -> Iterator[str]:
        """See the port."""
        if self._is_absent():
            return iter(())
        self._make_ready()
        return iter(run_id for (run_id,) in self._database.read(_all(sa.select(tables.runs.c.run_id))))

    def delete_run(self, run_id: str) -> None:
        """See the port; the rows of the records go with the one of the run."""
        delete = sa.delete(tables.runs).where(tables.runs.c.run_id == run_id)
        self._make_ready_for(run_id)
        if not self._database.write(lambda connection: connection.execute(delete).rowcount):
            raise self._unknown(run_id)

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def _write(self, connection: sa.Connection, run_id: str, records: Sequence[Record]) -> None:
        if not records:
            self._check_run(connection, run_id)
        for record in records:
            statement = tables.upsert(self._database.dialect, record.kind)
            connection.execute(statement, tables.row(run_id, record))

    def _read_in_batches(self, sequence: list[int]) -> Iterator[Record]:
        """Yield the records with those numbers; between batches nothing is held open."""
        columns = tables.records.c
        selected = sa.select(columns.kind, columns.name, columns.body).order_by(columns.sequence)
        for start in range(0, len(sequence), _BATCH):
            numbers = sequence[start : start + _BATCH]
            for kind, name, body in self._database.read(_all(selected.where(columns.sequence.in_(numbers)))):
                yield Record(RecordKind(kind), tables.decode(name), tables.decode(body))

    def _check_run(self, connection: sa.Connection, run_id: str) -> None:
        if (
            connection.execute(sa.select(tables.runs.c.run_id).where(tables.runs.c.run_id == run_id)).first()
            is None
        ):
            raise self._unknown(run_id)

    def _make_ready(self) -> None:
        if self._ready:
            return
        if self._database.path is not None:
            folder = os.path.dirname(self._database.path)
            with reported("made", folder):
                os.makedirs(folder, exist_ok=True)
        self._database.write(tables.create_tables)
        self._ready = True

    def _make_ready_for(self, run_id: str) -> None:
        if run_id_problem(run_id) or self._is_absent():
            raise self._unknown(run_id)
        self._make_ready()

    def _is_absent(self) -> bool:
        """Say whether there is no database yet, so that looking into it does not make one."""
        path = self._database.path
        return not self._ready and path is not None and not os.path.exists(path)

    def _unknown(self, run_id: str) -> RunLogNotFoundError:
        return RunLogNotFoundError(
            f"no run {run_id!r} in {self._database.shown}; `magnus runs list` shows the runs there are"
        )


def _all(statement: sa.Select[Any]) -> Callable[[sa.Connection], Sequence[Any]]:
    return lambda connection: connection.execute(statement).all()
