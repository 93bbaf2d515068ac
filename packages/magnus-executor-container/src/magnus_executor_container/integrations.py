"""What containers need for each service, where the declarations of both do not tell.

The options of services belong to another package, so they are known here by their names only.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit, urlunsplit

from magnus.domain.verdict import Judgement, Verdict
from magnus.errors import ConfigurationError
from magnus.ports.executor import ComputeNeeds
from magnus.ports.integration import Integration
from magnus_executor_container.config import INSIDE, PRIVATE

if TYPE_CHECKING:
    from magnus_executor_container.config import LocalContainerOptions

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 - an address to look for, not to listen on
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mariadb": 3306}


class _MountedFolder(Integration):
    """A service that lives in a folder of this machine: the folder is mounted."""

    option: ClassVar[str]
    inside: ClassVar[str]

    def folder(self, written: str) -> str:
        """Return the absolute path of the folder, read as the service reads it."""
        return os.path.abspath(written)  # noqa: PTH100

    def validate(self, executor_options: LocalContainerOptions, service_options: Any) -> Verdict:
        """A folder can always be mounted."""
        if executor_options.run_in_local:
            return _LOCAL
        return Verdict(Judgement.OK, f"its folder is mounted at {self.inside}")

    def configure_for_traversal(
        self, executor_options: LocalContainerOptions, service_options: Any
    ) -> ComputeNeeds:
        """Mount the folder."""
        return ComputeNeeds(mounts={self.folder(getattr(service_options, self.option)): (self.inside, False)})

    def configure_for_execution(self, executor_options: LocalContainerOptions, service_options: Any) -> Any:
        """Use the mounted folder."""
        return dataclasses.replace(service_options, **{self.option: self.inside})


class RunLogFolder(_MountedFolder):
    """`file-system` and `chunked-fs`."""

    option = "log_folder"
    inside = f"{INSIDE}/run_log_store"


class CatalogFolder(_MountedFolder):
    """The catalog `file-system`."""

    option = "catalog_location"
    inside = f"{INSIDE}/catalog"

    def folder(self, written: str) -> str:
        """See the base class; this service knows `~`."""
        return super().folder(os.path.expanduser(written))  # noqa: PTH111


class SqlRunLog(Integration):
    """`sql`: the folder of a SQLite file is mounted, a server is reached over the network."""

    _INSIDE = f"{INSIDE}/run_log_store"

    def validate(self, executor_options: LocalContainerOptions, service_options: Any) -> Verdict:
        """See what the URL names."""
        if executor_options.run_in_local:
            return _LOCAL
        url = service_options.url
        if not url.startswith("sqlite"):
            return _judge_server(executor_options, url)
        if _sqlite_file(url) is None:
            return Verdict(
                Judgement.ERROR,
                "a SQLite database in memory is not seen from inside a container",
                "name a file (sqlite:///FILE) or a server",
            )
        return Verdict(Judgement.OK, f"the folder of its file is mounted at {self._INSIDE}")

    def configure_for_traversal(
        self, executor_options: LocalContainerOptions, service_options: Any
    ) -> ComputeNeeds:
        """Mount the folder, or say which server must answer."""
        file = _sqlite_file(service_options.url)
        if file is None:
            return ComputeNeeds(endpoints=_endpoints(executor_options, service_options.url))
        folder = os.path.dirname(os.path.abspath(file))  # noqa: PTH100, PTH120
        return ComputeNeeds(mounts={folder: (self._INSIDE, False)})

    def configure_for_execution(self, executor_options: LocalContainerOptions, service_options: Any) -> Any:
        """Name the file, or the server, as it is called inside."""
        url = service_options.url
        file = _sqlite_file(url)
        if file is None:
            return dataclasses.replace(service_options, url=_url_inside(executor_options, url))
        start, _, rest = url.partition("///")
        query = rest.partition("?")[1] + rest.partition("?")[2]
        inside = f"{start}///{self._INSIDE}/{os.path.basename(file)}{query}"  # noqa: PTH119
        return dataclasses.replace(service_options, url=inside)


class MlflowServer(Integration):
    """`mlflow`: a server, by its address as seen from inside."""

    def validate(self, executor_options: LocalContainerOptions, service_options: Any) -> Verdict:
        """See whether a container can mean that address."""
        if executor_options.run_in_local:
            return _LOCAL
        url = service_options.server_url
        if urlsplit(url).scheme not in ("http", "https"):
            return Verdict(
                Judgement.ERROR,
                f"'{_shown(url)}' is on this machine's disk, which a container does not see",
                "start a tracking server (mlflow server) and name its http address",
            )
        return _judge_server(executor_options, url)

    def configure_for_traversal(
        self, executor_options: LocalContainerOptions, service_options: Any
    ) -> ComputeNeeds:
        """Say which server must answer."""
        return ComputeNeeds(endpoints=_endpoints(executor_options, service_options.server_url))

    def configure_for_execution(self, executor_options: LocalContainerOptions, service_options: Any) -> Any:
        """Call the server as it is called inside."""
        url = _url_inside(executor_options, service_options.server_url)
        return dataclasses.replace(service_options, server_url=url)


class DotenvFile(Integration):
    """`dotenv`: the file goes through the container's stdin into its memory."""

    _INSIDE = f"{PRIVATE}/secrets.env"

    def validate(self, executor_options: LocalContainerOptions, service_options: Any) -> Verdict:
        """It can always be handed over."""
        if executor_options.run_in_local:
            return _LOCAL
        return Verdict(Judgement.OK, "its content is handed over unseen, and lies in the container's memory")

    def configure_for_traversal(
        self, executor_options: LocalContainerOptions, service_options: Any
    ) -> ComputeNeeds:
        """Hand over the content.

        Raises:
            ConfigurationError: The file cannot be read.
        """
        path = Path(service_options.location)
        try:
            return ComputeNeeds(private_files={self._INSIDE: path.read_bytes()})
        except OSError as error:
            message = (
                f"the secrets of containers are handed over before the first step, and {path} cannot be read: "
                f"{error.strerror}; make it, or choose `secrets: {{type: do-nothing}}`"
            )
            raise ConfigurationError(message) from error

    def configure_for_execution(self, executor_options: LocalContainerOptions, service_options: Any) -> Any:
        """Read it where it was put."""
        return dataclasses.replace(service_options, location=self._INSIDE)


class EnvironmentVariables(Integration):
    """`env-secrets-manager`: the variables with its prefix are handed over like a dotenv file."""

    def validate(self, executor_options: LocalContainerOptions, service_options: Any) -> Verdict:
        """Without a prefix nobody knows which variables are meant, and all of them must not be handed over."""
        if executor_options.run_in_local:
            return _LOCAL
        if service_options.prefix:
            return Verdict(
                Judgement.OK, f"the variables called {service_options.prefix}* are handed over unseen"
            )
        return Verdict(
            Judgement.ERROR,
            "secrets are variables of the environment, of which a container has none, and without `prefix` nobody can tell "
            "which of them are secrets",
            "set `prefix` and call the variables so, or choose the secrets 'dotenv'",
        )

    def configure_for_traversal(
        self, executor_options: LocalContainerOptions, service_options: Any
    ) -> ComputeNeeds:
        """Hand over the variables."""
        prefix = service_options.prefix
        return ComputeNeeds(
            private_environment={
                name: value for name, value in os.environ.items() if prefix and name.startswith(prefix)
            }
        )


class AwsService(Integration):
    """`s3` and `aws-secrets-manager`: reached over the network, with the credentials in this process's environment."""

    def validate(self, executor_options: LocalContainerOptions, service_options: Any) -> Verdict:
        """See what its address means inside, and whether there are credentials to hand over."""
        if executor_options.run_in_local:
            return _LOCAL
        if (
            verdict := _judge_server(executor_options, _aws_address(service_options))
        ).judgement is Judgement.ERROR:
            return verdict
        if _AWS_KEY in os.environ:
            return Verdict(
                Judgement.OK,
                "reached over the network; the credentials in the environment are handed over unseen",
            )
        return Verdict(
            Judgement.UNKNOWN,
            "in a container there is no file with AWS credentials, and none are in the environment to be handed over",
            f"set {_AWS_KEY} and what belongs to it (`aws configure export-credentials --format env` prints them)",
        )

    def configure_for_traversal(
        self, executor_options: LocalContainerOptions, service_options: Any
    ) -> ComputeNeeds:
        """Hand over the credentials, and say which server must answer."""
        variables = {name: os.environ[name] for name in _AWS_VARIABLES if name in os.environ}
        endpoints = _endpoints(executor_options, service_options.endpoint_url or "")
        return ComputeNeeds(private_environment=variables, endpoints=endpoints)

    def configure_for_execution(self, executor_options: LocalContainerOptions, service_options: Any) -> Any:
        """Call the server as it is called inside."""
        if not service_options.endpoint_url:
            return service_options
        url = _url_inside(executor_options, service_options.endpoint_url)
        return dataclasses.replace(service_options, endpoint_url=url)


_AWS_KEY = "AWS_ACCESS_KEY_ID"
_AWS_VARIABLES = (
    _AWS_KEY,
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
)
"""What means the same in a container; profiles and files do not."""


def _aws_address(service_options: Any) -> str:
    """Return the address that is called; that of AWS itself where the options name none."""
    return service_options.endpoint_url or "https://amazonaws.com"


_LOCAL = Verdict(Judgement.OK, "steps run on this machine (run_in_local)")


def _judge_server(options: LocalContainerOptions, url: str) -> Verdict:
    """Judge the address of a server by what it means inside a container."""
    endpoints = _endpoints(options, url)
    if not endpoints:
        return Verdict(Judgement.OK, "its driver finds the server, as from here")
    host, port = endpoints[0]
    if options.network == "none":
        return Verdict(
            Judgement.ERROR,
            "it is reached over the network, and `network: none` gives containers none",
            "choose a network",
        )
    if host in _LOOPBACK and options.network != "host":
        outside = urlsplit(url).hostname
        return Verdict(
            Judgement.ERROR,
            f"'{host}' in a container is the container itself, not this machine",
            f"set `network: host`, or say what '{outside}:{port}' is called inside, for instance "
            f"`service_addresses: {{{outside}: 172.17.0.1}}`, and have the server listen there",
        )
    return Verdict(
        Judgement.OK, f"reached over the network at {host}:{port}, which is tried before the first step"
    )


def _endpoints(options: LocalContainerOptions, url: str) -> list[tuple[str, int]]:
    parts = urlsplit(url)
    if not parts.hostname:
        return []
    port = parts.port or _PORTS.get(parts.scheme.partition("+")[0])
    return [] if port is None else [options.address_inside(parts.hostname, port)]


def _url_inside(options: LocalContainerOptions, url: str) -> str:
    """Return *url* with host and port as they are called inside."""
    endpoints = _endpoints(options, url)
    if not endpoints:
        return url
    parts = urlsplit(url)
    host, port = endpoints[0]
    if host == parts.hostname and port == (parts.port or port):
        return url
    user, at, _ = parts.netloc.rpartition("@")
    shown = f"[{host}]" if ":" in host else host  # an IPv6 address
    return urlunsplit(parts._replace(netloc=f"{user}{at}{shown}:{port}"))


def _sqlite_file(url: str) -> str | None:
    """Return the file of a SQLite URL; None for a database in memory, and for other URLs."""
    if not url.startswith("sqlite"):
        return None
    path = url.partition("///")[2].partition("?")[0]
    return path if path and path != ":memory:" else None


def _shown(url: str) -> str:
    """Return *url* without a password."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if separator else url
