from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import sqlalchemy as sa

from magnus.domain.records import Record, RecordKind
from magnus.testing.run_log_store import RunLogStoreContract
from magnus_stores.run_log.sql import SqlOptions, SqlRunLogStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class TestSqlRunLogStoreOnSqlite(RunLogStoreContract):
    """A file keeps the promises."""

    @pytest.fixture
    def make_run_log_store(self, tmp_path: Path) -> Callable[[], SqlRunLogStore]:
        """Make clients of one file."""
        return partial(SqlRunLogStore, SqlOptions(url=f"sqlite:///{tmp_path}/runs/run_log.db"))


class TestSqlRunLogStoreOnSqliteInMemory(RunLogStoreContract):
    """A database without a file keeps the promises, as far as its capabilities declare them."""

    @pytest.fixture
    def make_run_log_store(self) -> Callable[[], SqlRunLogStore]:
        """Return the same instance again and again, because another one shares nothing with it."""
        store = SqlRunLogStore(SqlOptions(url="sqlite://"))
        return lambda: store


class TestSqlRunLogStoreOnPostgresql(RunLogStoreContract):
    """A real server keeps the promises."""

    @pytest.fixture
    def url(self, postgresql_server: str) -> Iterator[str]:
        """Return the URL of an empty database."""
        name = f"magnus_{uuid4().hex}"
        engine = sa.create_engine(f"{postgresql_server}/postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
            yield f"{postgresql_server}/{name}"
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        engine.dispose()

    @pytest.fixture
    def make_run_log_store(self, url: str) -> Callable[[], SqlRunLogStore]:
        """Make clients of one database."""
        return partial(SqlRunLogStore, SqlOptions(url=url))

    def test_the_server_writes_no_more_for_a_long_run(
        self, url: str, make_run_log_store: Callable[[], SqlRunLogStore]
    ) -> None:
        """Counted in the bytes of its own log, which holds whatever it changes."""
        engine = sa.create_engine(url)
        with engine.connect() as connection, closing(make_run_log_store()) as store:

            def written_by(numbers: range) -> int:
                position = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
                before = connection.exec_driver_sql(position).scalar_one()
                for begin in range(numbers.start, numbers.stop, 100):
                    block = [
                        Record(RecordKind.STEP, f"step {number}", '"x"')
                        for number in range(begin, begin + 100)
                    ]
                    store.put("run-1", block, durable=False)
                return int(connection.exec_driver_sql(position).scalar_one() - before)

            store.create_run("run-1", [])
            first = written_by(range(1000))
            written_by(range(1000, 9000))
            assert 0 < written_by(range(9000, 10_000)) <= 2 * first
        engine.dispose()
