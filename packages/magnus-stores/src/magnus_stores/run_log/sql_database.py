"""The database behind the run log store `sql`: from a URL to transactions, with errors that never show the password."""

from __future__ import annotations

import os
import sqlite3
import time
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, quote_plus

import sqlalchemy as sa

from magnus.errors import ConfigurationError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine.interfaces import DBAPIConnection

_T = TypeVar("_T")

_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_HIDDEN = "***"
_WAIT_SECONDS = 30
"""How long someone else may hold a lock."""

_CONNECT_SECONDS = 10

_CONFLICTS = frozenset({"40001", "40P01"})
"""What PostgreSQL says to one of two transactions that wait for each other: `serialization_failure`, `deadlock_detected`."""

_BEGIN = "magnus_begin"
_DURABLE = "magnus_durable"


class Database:
    """One connection, made when the first transaction needs it and again when it is lost.

    Attributes:
        shown: The URL without its password.
        dialect: `sqlite` or `postgresql`.
        path: The file, absolute; None for servers and for SQLite in memory.
    """

    def __init__(self, url: str) -> None:
        """Understand *url*; connect to nothing.

        Raises:
            ConfigurationError: It is no URL of a database that can be used.
        """
        parsed = parse(url)
        self.dialect = parsed.get_backend_name()
        self.path = _absolute_path(parsed)
        if self.path is not None:
            parsed = parsed.set(database=self.path)
        self._secrets = _secrets(parsed)
        self.shown = self._masked(parsed.render_as_string(hide_password=True))
        self._engine = self._engine_for(parsed)

    def read(self, work: Callable[[sa.Connection], _T]) -> _T:
        """Return what *work* does in a transaction that sees one state of the database.

        Raises:
            ServiceError: The database failed.
        """
        return self._transact("read", work, begin="BEGIN")

    def write(self, work: Callable[[sa.Connection], _T], *, durable: bool = True) -> _T:
        """Return what *work* does in a transaction that is committed whole or not at all; *work* may be run again.

        Raises:
            ServiceError: The database failed.
        """

        def set_durability_and_work(connection: sa.Connection) -> _T:
            if not durable and self.dialect == "postgresql":
                connection.exec_driver_sql("SET LOCAL synchronous_commit TO OFF")
            return work(connection)

        # Locked from the beginning, because SQLite lets no one wait who has read already.
        return self._transact("written", set_durability_and_work, begin="BEGIN IMMEDIATE", durable=durable)

    def close(self) -> None:
        """Let go of the connection."""
        self._engine.dispose()

    def _transact(
        self, action: str, work: Callable[[sa.Connection], _T], *, begin: str, durable: bool | None = None
    ) -> _T:
        deadline = time.monotonic() + _WAIT_SECONDS
        pause = 0.001
        while True:
            try:
                with self._engine.connect() as connection:
                    if self.dialect == "sqlite":
                        if durable is not None:
                            _synchronise(connection, durable=durable)
                        connection.execution_options(**{_BEGIN: begin})
                    with connection.begin():
                        return work(connection)
            except sa.exc.IntegrityError:
                raise
            except sa.exc.SQLAlchemyError as error:
                if not _passing(error) or time.monotonic() > deadline:
                    raise self._failure(action, error) from error
            time.sleep(pause)
            pause = min(2 * pause, 0.1)

    def _engine_for(self, url: sa.URL) -> sa.Engine:
        try:
            if self.dialect == "postgresql":
                return sa.create_engine(
                    url, pool_size=1, max_overflow=0, connect_args={"connect_timeout": _CONNECT_SECONDS}
                )
            engine = sa.create_engine(
                url,
                # Every connection to SQLite in memory is a database of its own.
                poolclass=sa.pool.StaticPool if in_memory(url) else sa.pool.QueuePool,
                connect_args={"timeout": _WAIT_SECONDS, "check_same_thread": False},
            )
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"the run log database {self.shown} needs the module {error.name}: "
                "pip install 'magnus-stores[postgresql]'"
            ) from error
        except (sa.exc.ArgumentError, TypeError) as error:
            raise ConfigurationError(
                f"the run log database {self.shown}: {self._masked(str(error))}"
            ) from None
        sa.event.listen(engine, "connect", _set_up_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _failure(self, action: str, error: sa.exc.SQLAlchemyError) -> ServiceError:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        return ServiceError(
            f"the run log database {self.shown} could not be {action}: {self._masked(reason)}",
            retriable=isinstance(error, sa.exc.OperationalError),
        )

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        return text


def parse(url: str) -> sa.URL:
    """Return the parts of *url*, with the driver that is used here.

    Raises:
        ConfigurationError: It is no URL of a database that can be used.
    """
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        # Without the text, and without a cause that would show it: there is no telling where its password is.
        raise ConfigurationError(
            "the url of the run log store `sql` is no database URL; "
            "write sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        ) from None
    driver = _DRIVERS.get(parsed.get_backend_name())
    if driver is None:
        raise ConfigurationError(
            f"the run log store `sql` cannot use {parsed.get_backend_name()!r}; write sqlite:///FILE or "
            "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        )
    return parsed.set(drivername=driver)


def is_server(url: sa.URL) -> bool:
    """Say whether *url* is that of a database server."""
    return url.get_backend_name() != "sqlite"


def in_memory(url: sa.URL) -> bool:
    """Say whether *url* is that of an SQLite database that no file holds."""
    if is_server(url):
        return False
    name = url.database or ":memory:"
    return ":memory:" in name or url.query.get("mode") == "memory"


def _absolute_path(url: sa.URL) -> str | None:
    name = url.database or ""
    # SQLite has URIs of its own, which it resolves itself.
    return None if is_server(url) or in_memory(url) or name.startswith("file:") else os.path.abspath(name)


def _secrets(url: sa.URL) -> list[str]:
    """Return what must not be shown, as it may stand in a URL and in a message."""
    plain = [str(url.password or ""), *(str(url.query.get(name, "")) for name in ("password", "sslpassword"))]
    return [form for secret in plain if secret for form in (secret, quote(secret), quote_plus(secret))]


def _passing(error: sa.exc.SQLAlchemyError) -> bool:
    """Say whether the same transaction may succeed at once."""
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        # The lower byte is the error, the others say what kind of it.
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
    return error.connection_invalidated or getattr(cause, "sqlstate", None) in _CONFLICTS


def _set_up_sqlite(connection: DBAPIConnection, _: object) -> None:
    connection.isolation_level = None  # or the module would begin transactions by rules of its own
    connection.execute("PRAGMA journal_mode=WAL")  # readers and a writer do not wait for each other
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: sa.Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options()[_BEGIN])


def _synchronise(connection: sa.Connection, *, durable: bool) -> None:
    """Have what is committed next synced to the disk, or not; with the log of SQLite, either leaves the database whole."""
    if connection.info.get(_DURABLE) is not durable:
        driver_connection: Any = connection.connection.dbapi_connection
        driver_connection.execute(f"PRAGMA synchronous={'EXTRA' if durable else 'NORMAL'}")
        connection.info[_DURABLE] = durable
