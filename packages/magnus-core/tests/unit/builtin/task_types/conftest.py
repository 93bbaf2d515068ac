"""A context that lends a task what the engine would lend it, without an engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from magnus.domain.parameters import Value, encode_all
from magnus.engine.child import ChildBridge
from magnus.errors import ParameterNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from magnus.domain.jobs import MapVariable
    from magnus.domain.nodes import CatalogSettings
    from magnus.domain.run_log import DataCatalog
    from magnus.engine.child import ChildOutputs
    from magnus.ports.experiment_tracker import Metric


class FakeContext:
    """Keeps in plain attributes what a step would record.

    It is a `StepSession` as well, as the engine's own is, so that a bridge to child processes can be built on it.
    """

    def __init__(
        self, parameters: Mapping[str, Any], map_variable: MapVariable = (), secrets: Iterable[str] = ()
    ) -> None:
        self.run_id = "run-1"
        self.tag = "my tag"
        self.step_name = "a step"
        self.scopes: tuple[str, ...] = ()
        self.staging_token = "token"
        self.map_variable = map_variable
        self.compute_data_folder = Path("data")
        self.project_folder = str(Path.cwd())
        self.resources = None
        self.values = encode_all(parameters, "test")
        self.secrets = list(secrets)
        self.kept: dict[str, str] = {}
        self.outputs: ChildOutputs | None = None
        self.bridge = ChildBridge(self, {})

    @property
    def parameter_names(self) -> frozenset[str]:
        """See `TaskContext`."""
        return frozenset(self.values)

    def get_parameter(self, name: str | None = None) -> Any:
        """See `StepSession`."""
        if name is None:
            return {name: value.decode() for name, value in self.values.items()}
        if name not in self.values:
            raise ParameterNotFoundError(name)
        return self.values[name].decode()

    def child_environment(self) -> tuple[dict[str, str], Path]:
        """See `TaskContext`."""
        return self.bridge.environment(self.values)

    def collect_child_outputs(self) -> None:
        """Keep what the child left in `outputs`."""
        self.outputs = self.bridge.read_outputs()

    def keep_file(self, path: Path, name: str) -> None:
        """Keep the text of the file in `kept`."""
        self.kept[name] = path.read_text()

    def mask(self, text: str) -> str:
        """Hide the secrets that the context was made with."""
        for secret in self.secrets:
            text = text.replace(secret, "*****")
        return text

    def set_parameters(self, values: Mapping[str, Any]) -> None:
        """See `StepSession`."""
        self.values.update({name: Value.of(value) for name, value in values.items()})

    def get_secret(self, name: str | None = None) -> Any:
        """Not lent here."""
        raise NotImplementedError

    def track(self, metrics: Iterable[Metric]) -> None:
        """Not lent here."""
        raise NotImplementedError

    def get_from_catalog(self, settings: CatalogSettings, folder: Path | None = None) -> list[DataCatalog]:
        """Not lent here."""
        raise NotImplementedError

    def put_in_catalog(self, folder: Path, patterns: Iterable[str]) -> list[DataCatalog]:
        """Not lent here."""
        raise NotImplementedError

    def tracker_context(self) -> AbstractContextManager[Any]:
        """Not lent here."""
        raise NotImplementedError


@pytest.fixture
def make_context() -> Iterator[Callable[..., FakeContext]]:
    """Make contexts; their files are removed after the test."""
    made: list[FakeContext] = []

    def make(parameters: Mapping[str, Any] | None = None, **more: Any) -> FakeContext:
        made.append(FakeContext(parameters or {}, **more))
        return made[-1]

    yield make
    for context in made:
        context.bridge.close()


@pytest.fixture
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in an empty directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
