from __future__ import annotations

import ast
import tomllib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.cli.conftest import Said

PORTS = ("catalog", "run_log_store", "secrets", "experiment_tracker", "executor")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("port", PORTS)
def test_a_package_is_written_whose_entry_point_leads_to_its_class(
    magnus: Callable[..., Said], folder: Path, port: str
) -> None:
    """The plugin offers, by the hook of the port, a class that is there."""
    assert magnus("adapters", "new", "my-thing2", "--port", port).code == 0
    distribution = f"magnus-{port.replace('_', '-')}-my-thing2"
    package = folder / distribution / "src" / distribution.replace("-", "_")
    project = tomllib.loads((folder / distribution / "pyproject.toml").read_text())["project"]
    assert project["name"] == distribution
    assert project["entry-points"]["magnus"] == {f"{port}-my-thing2": f"{package.name}.plugin"}
    assert (package / "py.typed").exists()
    classes = [
        node.name
        for node in ast.parse((package / f"{port}.py").read_text()).body
        if isinstance(node, ast.ClassDef)
    ]
    (target,) = [name for name in classes if name.startswith("MyThing2")]
    assert (
        f'AdapterSpec("my-thing2", "{package.name}.{port}:{target}", port_api=1)'
        in (package / "plugin.py").read_text()
    )


@pytest.mark.parametrize("port", PORTS)
def test_nothing_of_the_templates_is_left(magnus: Callable[..., Said], folder: Path, port: str) -> None:
    """Every name was filled in, and every Python file can be parsed."""
    magnus("adapters", "new", "a", "--port", port, "--directory", "made/here")
    written = [path for path in (folder / "made" / "here").rglob("*") if path.is_file()]
    assert len(written) == 9
    for path in written:
        text = path.read_text()
        assert "$" not in text
        if path.suffix == ".py":
            ast.parse(text)
    assert [path.name for path in (folder / "made").iterdir()] == ["here"]


@pytest.mark.parametrize("name", ["", "My-Bucket", "my_bucket", "1st", "a--b", "-a", "a/b", "../a", "a\n"])
def test_a_name_that_cannot_be_used_is_refused(magnus: Callable[..., Said], folder: Path, name: str) -> None:
    """It has to do for a package, a module and a class."""
    said = magnus("adapters", "new", "--port", "catalog", "--", name)
    assert said.code == 2
    assert "'my-bucket'" in said.err
    assert list(folder.iterdir()) == []


def test_a_folder_that_holds_something_is_left_as_it_is(magnus: Callable[..., Said], folder: Path) -> None:
    """Nobody's work is overwritten."""
    (folder / "mine").mkdir()
    (folder / "mine" / "notes.txt").write_text("mine")
    said = magnus("adapters", "new", "a", "--port", "secrets", "--directory", "mine")
    assert said.code == 2
    assert "'mine' is not empty" in said.err
    assert [path.name for path in (folder / "mine").iterdir()] == ["notes.txt"]


def test_a_port_that_does_not_exist_is_refused_with_those_that_do(magnus: Callable[..., Said]) -> None:
    """The ports are named as in a configuration."""
    said = magnus("adapters", "new", "a", "--port", "stores")
    assert said.code == 2
    assert "run_log_store" in said.err
