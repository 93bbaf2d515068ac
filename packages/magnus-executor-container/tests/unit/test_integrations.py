from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from magnus.definition.options import build_options
from magnus.domain.verdict import Judgement, Verdict
from magnus.errors import ConfigurationError
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.ports.executor import ComputeNeeds
from magnus_executor_container.config import LocalContainerOptions
from magnus_executor_container.integrations import (
    AwsService,
    CatalogFolder,
    DotenvFile,
    EnvironmentVariables,
    MlflowServer,
    RunLogFolder,
    SqlRunLog,
)

if TYPE_CHECKING:
    from pathlib import Path

CONTAINER = LocalContainerOptions(docker_image="image")
LOCAL = LocalContainerOptions(run_in_local=True)
ON_THIS_MACHINE = Verdict(Judgement.OK, "steps run on this machine (run_in_local)")


def service(kind: str, name: str, **written: Any) -> Any:
    """Return the options of a service, as a configuration makes them."""
    needed = {"sql": "sqlalchemy", "mlflow": "mlflow", "s3": "boto3", "aws-secrets-manager": "boto3"}.get(
        name
    )
    if needed and find_spec(needed) is None:
        pytest.skip(f"needs {needed}, an extra of the package of the stores")
    adapter = AdapterManager(find_plugins()).load(kind, name)
    return build_options(adapter.Options, written, kind)


def options(**written: Any) -> LocalContainerOptions:
    """Return options of the executor."""
    return LocalContainerOptions(docker_image="image", **written)


@pytest.mark.parametrize(
    ("rule", "kind", "name", "written"),
    [
        (RunLogFolder(), "run_log_store", "file-system", {}),
        (RunLogFolder(), "run_log_store", "chunked-fs", {}),
        (SqlRunLog(), "run_log_store", "sql", {"url": "sqlite://"}),
        (CatalogFolder(), "catalog", "file-system", {}),
        (AwsService(), "catalog", "s3", {"bucket": "b", "endpoint_url": "http://localhost:9000"}),
        (DotenvFile(), "secrets", "dotenv", {}),
        (EnvironmentVariables(), "secrets", "env-secrets-manager", {}),
        (MlflowServer(), "experiment_tracker", "mlflow", {"server_url": "file:///x"}),
    ],
)
def test_everything_works_where_steps_run_on_this_machine(
    rule: Any, kind: str, name: str, written: dict[str, Any]
) -> None:
    """Even what a container could not reach."""
    assert rule.validate(LOCAL, service(kind, name, **written)) == ON_THIS_MACHINE


class TestFolders:
    """Run logs and catalogs that lie in a folder."""

    @pytest.mark.parametrize("name", ["file-system", "chunked-fs"])
    def test_the_folder_of_run_logs_is_mounted_and_used_inside(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its place inside does not depend on that outside; a relative one is in the working directory."""
        monkeypatch.chdir(tmp_path)
        rule, store = RunLogFolder(), service("run_log_store", name, log_folder="runs")
        inside = "/magnus/run_log_store"
        assert rule.validate(CONTAINER, store) == Verdict(Judgement.OK, f"its folder is mounted at {inside}")
        assert rule.configure_for_traversal(CONTAINER, store) == ComputeNeeds(
            mounts={str(tmp_path / "runs"): (inside, False)}
        )
        assert rule.configure_for_execution(CONTAINER, store).log_folder == inside

    def test_the_folder_of_the_catalog_is_mounted_and_used_inside(self) -> None:
        """Where a step's files lie in its working directory stays as it was."""
        rule = CatalogFolder()
        catalog = service("catalog", "file-system", catalog_location="/kept", compute_data_folder="files")
        assert rule.configure_for_traversal(CONTAINER, catalog).mounts == {
            "/kept": ("/magnus/catalog", False)
        }
        inside = rule.configure_for_execution(CONTAINER, catalog)
        assert (inside.catalog_location, inside.compute_data_folder) == ("/magnus/catalog", "files")

    @pytest.mark.parametrize(
        ("rule", "kind", "option", "folder"),
        [
            (CatalogFolder(), "catalog", "catalog_location", "home/kept"),
            (RunLogFolder(), "run_log_store", "log_folder", "work/~/kept"),
        ],
    )
    def test_a_tilde_means_what_it_means_to_the_service(
        self, rule: Any, kind: str, option: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is mounted is where the service itself works when it is made here."""
        (tmp_path / "work").mkdir()
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.chdir(tmp_path / "work")
        made = service(kind, "file-system", **{option: "~/kept"})
        assert list(rule.configure_for_traversal(CONTAINER, made).mounts) == [str(tmp_path / folder)]
        used = AdapterManager(find_plugins()).load(kind, "file-system")(made)
        attribute = "_root" if kind == "catalog" else "_folder"
        assert getattr(used, attribute) == str(tmp_path / folder)


class TestSqlite:
    """A run log in a file."""

    @pytest.mark.parametrize(
        ("url", "folder", "inside"),
        [
            ("sqlite:///runs/log.db", "runs", "sqlite:////magnus/run_log_store/log.db"),
            ("sqlite:///log.db", "", "sqlite:////magnus/run_log_store/log.db"),
            ("sqlite:///{}/deep/log.db", "deep", "sqlite:////magnus/run_log_store/log.db"),
            ("sqlite+pysqlite:///log.db", "", "sqlite+pysqlite:////magnus/run_log_store/log.db"),
            ("sqlite:///log.db?timeout=5", "", "sqlite:////magnus/run_log_store/log.db?timeout=5"),
        ],
    )
    def test_the_folder_of_the_file_is_mounted(
        self, url: str, folder: str, inside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """SQLite keeps further files beside it; the file keeps its name and its options."""
        monkeypatch.chdir(tmp_path)
        rule, store = SqlRunLog(), service("run_log_store", "sql", url=url.format(tmp_path))
        assert rule.validate(CONTAINER, store) == Verdict(
            Judgement.OK, "the folder of its file is mounted at /magnus/run_log_store"
        )
        expected = str(tmp_path / folder)
        assert rule.configure_for_traversal(CONTAINER, store) == ComputeNeeds(
            mounts={expected: ("/magnus/run_log_store", False)}
        )
        assert rule.configure_for_execution(CONTAINER, store).url == inside

    @pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///"])
    def test_a_database_in_memory_is_refused(self, url: str) -> None:
        """Each container would have its own."""
        assert SqlRunLog().validate(CONTAINER, service("run_log_store", "sql", url=url)) == Verdict(
            Judgement.ERROR,
            "a SQLite database in memory is not seen from inside a container",
            "name a file (sqlite:///FILE) or a server",
        )


URL = "postgresql+psycopg://me:p%40ss@{}/runs?sslmode=require"


class TestServers:
    """A run log on a server; what is said of addresses holds for every server."""

    @pytest.mark.parametrize(
        ("server", "executor", "endpoint", "inside"),
        [
            ("db.example:6000", CONTAINER, ("db.example", 6000), "db.example:6000"),
            ("db.example", CONTAINER, ("db.example", 5432), "db.example"),
            ("localhost", options(network="host"), ("localhost", 5432), "localhost"),
            (
                "localhost:6000",
                options(service_addresses={"localhost": "172.17.0.1"}),
                ("172.17.0.1", 6000),
                "172.17.0.1:6000",
            ),
            (
                "localhost",
                options(service_addresses={"localhost:5432": "db:1"}),
                ("db", 1),
                "db:1",
            ),
            (
                "[::1]:6000",
                options(service_addresses={"::1": "fd00::1"}),
                ("fd00::1", 6000),
                "[fd00::1]:6000",
            ),
        ],
    )
    def test_a_server_is_called_inside_by_its_address_there(
        self, server: str, executor: LocalContainerOptions, endpoint: tuple[str, int], inside: str
    ) -> None:
        """With user, password, database and options as they were; the verdict and the needs show no password."""
        rule, store = SqlRunLog(), service("run_log_store", "sql", url=URL.format(server))
        host, port = endpoint
        assert rule.validate(executor, store) == Verdict(
            Judgement.OK, f"reached over the network at {host}:{port}, which is tried before the first step"
        )
        assert rule.configure_for_traversal(executor, store) == ComputeNeeds(endpoints=[endpoint])
        assert rule.configure_for_execution(executor, store).url == URL.format(inside)

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "0.0.0.0", "[::1]"])  # noqa: S104 - to look for
    def test_this_machines_own_address_is_refused(self, host: str) -> None:
        """Inside it would be the container; what to do is said with the names that the user wrote."""
        shown = host.strip("[]")
        assert SqlRunLog().validate(
            CONTAINER, service("run_log_store", "sql", url=URL.format(f"{host}:6000"))
        ) == Verdict(
            Judgement.ERROR,
            f"'{shown}' in a container is the container itself, not this machine",
            f"set `network: host`, or say what '{shown}:6000' is called inside, for instance "
            f"`service_addresses: {{{shown}: 172.17.0.1}}`, and have the server listen there",
        )

    def test_no_server_is_reached_without_a_network(self) -> None:
        """Whatever its address."""
        store = service("run_log_store", "sql", url=URL.format("db"))
        assert SqlRunLog().validate(options(network="none"), store) == Verdict(
            Judgement.ERROR,
            "it is reached over the network, and `network: none` gives containers none",
            "choose a network",
        )

    def test_a_url_without_a_host_is_left_to_its_driver(self) -> None:
        """PostgreSQL's own variables may name the server."""
        rule, store = SqlRunLog(), service("run_log_store", "sql", url="postgresql+psycopg:///runs")
        verdict = Verdict(Judgement.OK, "its driver finds the server, as from here")
        assert rule.validate(CONTAINER, store) == verdict
        assert rule.configure_for_traversal(CONTAINER, store) == ComputeNeeds(endpoints=[])
        assert rule.configure_for_execution(CONTAINER, store) == store


class TestMlflow:
    """The tracker."""

    @pytest.mark.parametrize(
        ("url", "endpoint"),
        [
            ("http://track.example:5000", ("track.example", 5000)),
            ("http://track.example/mlflow", ("track.example", 80)),
            ("https://me:secret@track.example", ("track.example", 443)),
        ],
    )
    def test_a_server_must_answer(self, url: str, endpoint: tuple[str, int]) -> None:
        """The port is that of its scheme where none is written."""
        rule, tracker = MlflowServer(), service("experiment_tracker", "mlflow", server_url=url)
        assert rule.validate(CONTAINER, tracker).judgement is Judgement.OK
        assert "secret" not in rule.validate(CONTAINER, tracker).reason
        assert rule.configure_for_traversal(CONTAINER, tracker).endpoints == [endpoint]
        assert rule.configure_for_execution(CONTAINER, tracker) == tracker

    def test_a_server_of_this_machine_is_called_as_inside(self) -> None:
        """The path of its address stays."""
        tracker = service("experiment_tracker", "mlflow", server_url="http://localhost:5000/at")
        rule, executor = MlflowServer(), options(service_addresses={"localhost": "track"})
        inside = rule.configure_for_execution(executor, tracker)
        assert inside.server_url == "http://track:5000/at"
        assert rule.validate(CONTAINER, tracker).judgement is Judgement.ERROR

    @pytest.mark.parametrize("url", ["file:///runs", "mlruns", "sqlite:///mlflow.db"])
    def test_what_lies_on_this_machines_disk_is_refused(self, url: str) -> None:
        """Its client would write into the container."""
        tracker = service("experiment_tracker", "mlflow", server_url=url)
        assert MlflowServer().validate(CONTAINER, tracker) == Verdict(
            Judgement.ERROR,
            f"'{url}' is on this machine's disk, which a container does not see",
            "start a tracking server (mlflow server) and name its http address",
        )

    def test_a_database_server_is_refused_without_its_password(self) -> None:
        """Messages end up in logs."""
        tracker = service("experiment_tracker", "mlflow", server_url="postgresql://me:hunter2@db/x")
        verdict = MlflowServer().validate(CONTAINER, tracker)
        assert verdict.judgement is Judgement.ERROR
        assert "hunter2" not in verdict.reason


class TestSecrets:
    """What is handed over unseen."""

    def test_a_dotenv_file_lies_in_memory_inside(self, tmp_path: Path) -> None:
        """Byte by byte, and nothing of it is mounted or a variable."""
        file = tmp_path / "secrets.env"
        file.write_bytes(b"A=\xff\n")
        rule, secrets = DotenvFile(), service("secrets", "dotenv", location=str(file))
        inside = "/magnus/private/secrets.env"
        assert rule.validate(CONTAINER, secrets) == Verdict(
            Judgement.OK, "its content is handed over unseen, and lies in the container's memory"
        )
        assert rule.configure_for_traversal(CONTAINER, secrets) == ComputeNeeds(
            private_files={inside: b"A=\xff\n"}
        )
        assert rule.configure_for_execution(CONTAINER, secrets).location == inside

    def test_a_dotenv_file_that_is_missing_is_the_users_mistake(self, tmp_path: Path) -> None:
        """Told before the first step, with what to do."""
        secrets = service("secrets", "dotenv", location=str(tmp_path / "no.env"))
        with pytest.raises(ConfigurationError) as caught:
            DotenvFile().configure_for_traversal(CONTAINER, secrets)
        assert str(caught.value) == (
            f"the secrets of containers are handed over before the first step, and {tmp_path}/no.env cannot be read: "
            "No such file or directory; make it, or choose `secrets: {type: do-nothing}`"
        )

    def test_variables_with_the_prefix_are_handed_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """And no others; privately."""
        monkeypatch.setenv("MYAPP_ONE", "1")
        monkeypatch.setenv("MYOTHER", "2")
        rule, secrets = EnvironmentVariables(), service("secrets", "env-secrets-manager", prefix="MYAPP_")
        assert rule.validate(CONTAINER, secrets) == Verdict(
            Judgement.OK, "the variables called MYAPP_* are handed over unseen"
        )
        assert rule.configure_for_traversal(CONTAINER, secrets) == ComputeNeeds(
            private_environment={"MYAPP_ONE": "1"}
        )
        assert rule.configure_for_execution(CONTAINER, secrets) == secrets

    def test_without_a_prefix_no_variable_is_handed_over(self) -> None:
        """Nobody can tell which are secrets."""
        rule, secrets = EnvironmentVariables(), service("secrets", "env-secrets-manager")
        assert rule.validate(CONTAINER, secrets) == Verdict(
            Judgement.ERROR,
            "secrets are variables of the environment, of which a container has none, and without `prefix` nobody can "
            "tell which of them are secrets",
            "set `prefix` and call the variables so, or choose the secrets 'dotenv'",
        )
        assert rule.configure_for_traversal(CONTAINER, secrets) == ComputeNeeds(private_environment={})


class TestAws:
    """S3 and Secrets Manager."""

    def test_credentials_of_the_environment_are_handed_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Unseen, and nothing that means something else in a container."""
        given = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "canary", "AWS_REGION": "eu-west-1"}
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        for name in ("AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_PROFILE", "mine")
        secrets = service("secrets", "aws-secrets-manager")
        assert AwsService().validate(CONTAINER, secrets).judgement is Judgement.OK
        assert AwsService().configure_for_traversal(CONTAINER, secrets) == ComputeNeeds(
            private_environment=given, endpoints=[]
        )

    def test_without_them_nobody_knows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file of this machine is not in a container, but a host may lend its role."""
        monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
        verdict = AwsService().validate(CONTAINER, service("catalog", "s3", bucket="b"))
        assert verdict.judgement is Judgement.UNKNOWN
        assert "set AWS_ACCESS_KEY_ID" in verdict.remedy

    def test_a_server_of_this_machine_is_called_as_inside(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """By its address there, or not at all."""
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        store = service("run_log_store", "s3", bucket="b", endpoint_url="http://localhost:9000")
        assert AwsService().validate(CONTAINER, store).judgement is Judgement.ERROR
        there = options(service_addresses={"localhost": "172.17.0.1"})
        assert AwsService().validate(there, store).judgement is Judgement.OK
        inside = AwsService().configure_for_execution(there, store)
        assert inside.endpoint_url == "http://172.17.0.1:9000"
        assert AwsService().configure_for_traversal(there, store).endpoints == [("172.17.0.1", 9000)]
        aws = service("run_log_store", "s3", bucket="b")
        assert AwsService().configure_for_execution(there, aws) is aws
