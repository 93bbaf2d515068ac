from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from magnus.domain.run_log import DataCatalog
from magnus.engine.current import running_step
from magnus.errors import ExecutionError, OutsideRunError, ParametersError
from magnus.ports.experiment_tracker import Metric
from magnus.sdk import interaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from magnus.domain.nodes import CatalogSettings


class FakeSession:
    """Keeps parameters, metrics and files in plain places."""

    run_id = "run-1"
    tag = "tag"

    def __init__(self, folder: Path) -> None:
        self.compute_data_folder = Path("data")
        self.parameters: dict[str, Any] = {"a": 1}
        self.metrics: list[Metric] = []
        self.catalog = folder

    def get_parameter(self, name: str | None = None) -> Any:
        """Return what was set."""
        return self.parameters if name is None else self.parameters[name]

    def set_parameters(self, values: Mapping[str, Any]) -> None:
        """Set it."""
        self.parameters |= values

    def track(self, metrics: Iterable[Metric]) -> None:
        """Keep them."""
        self.metrics += metrics

    def put_in_catalog(self, folder: Path, patterns: Iterable[str]) -> list[DataCatalog]:
        """Copy the files of these names."""
        for name in patterns:
            (self.catalog / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / name, self.catalog / name)
        return [DataCatalog(name, "", 0, "put", "") for name in patterns]

    def get_from_catalog(self, settings: CatalogSettings, folder: Path | None = None) -> list[DataCatalog]:
        """Copy the files of these names back."""
        names = [name for name in (*settings.get, *settings.optional) if (self.catalog / name).exists()]
        for name in names:
            target = (folder or self.compute_data_folder) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.catalog / name, target)
        return [DataCatalog(name, "", 0, "get", "") for name in names]


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSession]:
    """Be inside a step, in an empty working directory."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    fake: Any = FakeSession(tmp_path / "catalog")
    token = running_step.set(fake)
    yield fake
    running_step.reset(token)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("get_parameter", ["a"]),
        ("set_parameter", []),
        ("store_parameter", []),
        ("get_secret", ["a"]),
        ("track_this", []),
        ("get_run_id", []),
        ("get_tag", []),
        ("get_from_catalog", ["a"]),
        ("put_in_catalog", ["a"]),
        ("put_object", [1, "a"]),
        ("get_object", ["a"]),
        ("get_experiment_tracker_context", []),
    ],
)
def test_outside_a_run_a_function_says_so(
    name: str, arguments: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the function."""
    monkeypatch.delenv("MAGNUS_STEP_CONTEXT", raising=False)
    with pytest.raises(OutsideRunError, match=rf"^{name}\(\) was called outside a run"):
        getattr(interaction, name)(*arguments)


class Scalar:
    """A number as numpy has them."""

    ndim = 0

    def item(self) -> float:
        """Return it as Python has them."""
        return 0.25


def test_numbers_of_other_libraries_are_taken_as_plain_ones(session: FakeSession) -> None:
    """And those that JSON does not have as text."""
    interaction.set_parameter(b=Scalar())
    interaction.track_this(step=3, loss=Scalar(), other=float("nan"))
    assert session.parameters["b"] == 0.25
    assert session.metrics == [Metric("loss", 0.25, 3), Metric("other", "NaN", 3)]


def test_a_metric_that_is_no_json_value_is_refused(session: FakeSession) -> None:
    """Nothing is tracked then."""
    with pytest.raises(ParametersError, match="the metric 'bad' is not a JSON value"):
        interaction.track_this(good=1, bad=object())
    assert session.metrics == []


def test_store_parameter_can_leave_what_is_set(session: FakeSession) -> None:
    """With `update=False`, as it always could."""
    interaction.store_parameter(update=False, a=2, b=3)
    assert session.parameters == {"a": 1, "b": 3}
    interaction.store_parameter(a=2)
    assert session.parameters["a"] == 2


@pytest.mark.parametrize(
    ("path", "name"),
    [("data/sub/a.csv", "sub/a.csv"), ("plots/b.png", "plots/b.png"), ("../c.txt", "c.txt")],
)
@pytest.mark.usefixtures("session")
def test_files_are_named_by_where_they_lie(path: str, name: str) -> None:
    """Relative to the compute data folder, to the working directory, or by their own name."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("content")
    assert interaction.put_in_catalog(path) == [name]
    assert interaction.get_from_catalog(name, "elsewhere") == [name]
    assert Path("elsewhere", name).read_text() == "content"


@pytest.mark.parametrize("name", ["plain", "fit[1]/..", "..", "ünïcode *", " "])
@pytest.mark.usefixtures("session")
def test_objects_come_back_whatever_their_names(name: str) -> None:
    """As JSON."""
    interaction.put_object({"a": [1, None, "ü"]}, name)
    assert interaction.get_object(name) == {"a": [1, None, "ü"]}


@pytest.mark.usefixtures("session")
def test_a_pickle_needs_consent_on_both_sides() -> None:
    """Loading one runs code; the object that was put last counts."""
    with pytest.raises(ParametersError, match="allow_pickle=True"):
        interaction.put_object({1, 2}, "it")
    with pytest.raises(ExecutionError, match="no object 'it' in the catalog of run run-1"):
        interaction.get_object("it")
    interaction.put_object({1, 2}, "it", allow_pickle=True)
    with pytest.raises(ExecutionError, match="is a pickle"):
        interaction.get_object("it")
    assert interaction.get_object("it", allow_pickle=True) == {1, 2}
    interaction.put_object([3], "it", allow_pickle=True)
    assert interaction.get_object("it") == [3]
