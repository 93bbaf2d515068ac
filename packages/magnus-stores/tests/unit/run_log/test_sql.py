from __future__ import annotations

import socket
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from magnus.domain.capabilities import Reach
from magnus.domain.records import Record, RecordKind
from magnus.errors import ConfigurationError, RunLogNotFoundError, ServiceError
from magnus_stores.run_log.sql import SqlOptions, SqlRunLogStore

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "canary/ä"
ENCODED = "canary%2F%C3%A4"
HEAD = Record(RecordKind.RUN, "", "{}")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize(
    "url", ["postgresql://me:{}@127.0.0.1:{}/runs", "postgres://me@127.0.0.1:{1}/runs?password={0}"]
)
def test_an_unreachable_server_is_one_error_without_the_password(url: str) -> None:
    """It names the server, and may be tried again."""
    port = _free_port()
    with (
        closing(SqlRunLogStore(SqlOptions(url=url.format(ENCODED, port)))) as store,
        pytest.raises(ServiceError, match=f"127.0.0.1:{port}/runs") as caught,
    ):
        store.create_run("run-1", [HEAD])
    assert "canary" not in str(caught.value)
    assert "refused" in str(caught.value)
    assert caught.value.retriable


def test_a_missing_database_is_named_by_the_server(postgresql_server: str) -> None:
    """The password in the address stays hidden."""
    url = postgresql_server.replace("magnus@", f"magnus:{ENCODED}@")
    with (
        closing(SqlRunLogStore(SqlOptions(url=f"{url}/absent"))) as store,
        pytest.raises(ServiceError, match='"absent" does not exist') as caught,
    ):
        list(store.list_runs())
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "canary", "mysql://me:canary@h/d", "postgresql://me:canary@h:port/d"])
def test_what_is_no_usable_url_is_refused_at_once(url: str) -> None:
    """The message shows the two forms, and nothing of what was given: there may be a password in it."""
    with pytest.raises(ConfigurationError, match="sqlite:///FILE or postgresql://USER") as caught:
        SqlRunLogStore(SqlOptions(url=url))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "reach", "shared"),
    [
        ("sqlite:///runs.db", Reach.HOST, True),
        ("sqlite://", Reach.PROCESS, False),
        ("sqlite:///:memory:", Reach.PROCESS, False),
        ("postgresql://h/d", Reach.NETWORK, True),
    ],
)
def test_capabilities_depend_on_the_database(url: str, reach: Reach, shared: bool) -> None:  # noqa: FBT001 - a case
    """A file reaches as far as the machine, a server as far as the network, memory no further than the process."""
    found = SqlRunLogStore.capabilities(SqlOptions(url=url))
    assert (found.reach, found.concurrent_writers, found.persistent) == (reach, shared, shared)


def test_a_relative_file_stays_where_it_was_when_the_store_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task may change the working directory; the folder is made with the first run and not by looking."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with closing(SqlRunLogStore()) as store:
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert list(store.list_runs()) == []
        with pytest.raises(RunLogNotFoundError):
            store.get("run-1", RecordKind.RUN, "")
        assert not (tmp_path / ".run_log_store").exists()
        store.create_run("run-1", [HEAD])
    assert (tmp_path / ".run_log_store" / "run_log.db").exists()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    """So is a folder in its place."""
    (tmp_path / "runs.db").write_bytes(b"no database" * 1000)
    (tmp_path / "folder.db").mkdir()
    for name in ("runs.db", "folder.db"):
        with (
            closing(SqlRunLogStore(SqlOptions(url=f"sqlite:///{tmp_path / name}"))) as store,
            pytest.raises(ServiceError, match=name),
        ):
            store.create_run("run-1", [HEAD])


def test_tables_of_another_version_ask_for_an_upgrade(tmp_path: Path) -> None:
    """They are not guessed at."""
    options = SqlOptions(url=f"sqlite:///{tmp_path / 'runs.db'}")
    with closing(SqlRunLogStore(options)) as store:
        store.create_run("run-1", [HEAD])
    with closing(sqlite3.connect(tmp_path / "runs.db")) as connection, connection:
        connection.execute("UPDATE magnus_schema SET version = 2")
    with (
        closing(SqlRunLogStore(options)) as store,
        pytest.raises(ServiceError, match="upgrade magnus-stores"),
    ):
        store.get("run-1", RecordKind.RUN, "")


def test_a_reader_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    """It sees what there was before the transaction that goes on."""
    options = SqlOptions(url=f"sqlite:///{tmp_path / 'runs.db'}")
    with closing(SqlRunLogStore(options)) as store:
        store.create_run("run-1", [HEAD])
        with closing(sqlite3.connect(tmp_path / "runs.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("DELETE FROM magnus_records")
            assert list(store.scan("run-1")) == [HEAD]
            other.execute("ROLLBACK")


def test_sqlite_syncs_what_is_durable_and_nothing_else(tmp_path: Path) -> None:
    """`EXTRA` is 3, `NORMAL` is 1; reading changes nothing of it."""
    with closing(SqlRunLogStore(SqlOptions(url=f"sqlite:///{tmp_path / 'runs.db'}"))) as store:
        store.create_run("run-1", [HEAD])
        for durable, level in ((True, 3), (False, 1), (True, 3)):
            store.put("run-1", [HEAD], durable=durable)
            found = store._database.read(  # noqa: SLF001 - the setting shows nowhere else
                lambda connection: connection.exec_driver_sql("PRAGMA synchronous").scalar()
            )
            assert found == level
