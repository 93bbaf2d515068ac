from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from magnus.definition.config import load_config
from magnus.definition.pipeline import load_pipeline
from magnus.errors import ConfigurationError
from magnus.plugins.discovery import PluginSource
from magnus.plugins.manager import AdapterManager

if TYPE_CHECKING:
    from pathlib import Path

PIPELINE = """\
dag: {start_at: d, steps: {d: {type: success}, f: {type: fail}}}
executor: {type: local, config: {k1: pipeline}}
run_log: {type: file-system, config: {folder: pipeline}}
catalog: {type: file-system, config: {folder: pipeline}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_any_file_the_defaults_are_chosen(adapters: AdapterManager) -> None:
    """With the options' own defaults."""
    config = load_config(environ={}, adapters=adapters)

    chosen = [
        (block.port, block.type) for block in map(config.block, ("executor", "run_log_store", "catalog"))
    ]
    assert chosen == [("executor", "local"), ("run_log_store", "file-system"), ("catalog", "file-system")]
    assert [config.secrets.type, config.experiment_tracker.type] == ["do-nothing", "do-nothing"]
    assert config.executor.options.k1 == "v1"
    assert config.files == ()


def test_each_block_comes_from_the_strongest_source_that_has_it(
    adapters: AdapterManager, folder: Path
) -> None:
    """A named file, then magnus-config.yaml, then the pipeline file."""
    (folder / "pipeline.yaml").write_text(PIPELINE)
    (folder / "magnus-config.yaml").write_text(
        "defaults:\n  mode: {type: local, config: {k1: default}}\n"
        "  run_log_store: {type: file-system, config: {folder: default}}\n"
    )
    (folder / "named.yaml").write_text("executor: {type: local-container, config: {k1: named}}\n")
    blocks = load_pipeline("pipeline.yaml", environ={}, adapters=adapters).blocks

    config = load_config("named.yaml", environ={}, adapters=adapters, pipeline_blocks=blocks)

    assert (config.executor.type, config.executor.options.k1) == ("local-container", "named")
    assert config.run_log_store.options.folder == "default"
    assert config.catalog.options.folder == "pipeline"
    assert config.files == ("named.yaml", "magnus-config.yaml")


def test_the_environment_names_a_file_where_the_caller_names_none(
    adapters: AdapterManager, folder: Path
) -> None:
    """The caller's file wins."""
    (folder / "one.yaml").write_text("executor: {type: local, config: {k1: one}}\n")
    (folder / "two.yaml").write_text("executor: {type: local, config: {k1: two}}\n")
    environ = {"MAGNUS_CONFIG_FILE": "one.yaml"}

    assert load_config(environ=environ, adapters=adapters).executor.options.k1 == "one"
    assert load_config("two.yaml", environ=environ, adapters=adapters).executor.options.k1 == "two"


def test_a_missing_file_that_the_environment_names_is_told_so(adapters: AdapterManager) -> None:
    """Nobody would look for it on the command line."""
    with pytest.raises(ConfigurationError, match="MAGNUS_CONFIG_FILE names it"):
        load_config(environ={"MAGNUS_CONFIG_FILE": "gone.yaml"}, adapters=adapters)


def test_a_variable_is_text_that_cannot_bring_structure(adapters: AdapterManager, folder: Path) -> None:
    """Its name is remembered."""
    (folder / "c.yaml").write_text("executor: {type: local, config: {k1: '${NAME}'}}\n")

    config = load_config("c.yaml", environ={"MAGNUS_VAR_NAME": "}, k3: {"}, adapters=adapters)

    assert config.executor.options.k1 == "}, k3: {"
    assert config.variables == {"NAME"}


def test_options_keep_their_types(adapters: AdapterManager, folder: Path) -> None:
    """Nested options too."""
    (folder / "c.yaml").write_text("executor: {type: local, config: {max_workers: 2, limits: {cpu: 2}}}\n")

    options = load_config("c.yaml", environ={}, adapters=adapters).executor.options

    assert (options.max_workers, options.limits.cpu) == (2, 2.0)


def test_a_misspelt_key_inside_nested_options_is_refused(adapters: AdapterManager, folder: Path) -> None:
    """Pydantic alone would drop it."""
    (folder / "c.yaml").write_text("executor: {type: local, config: {limits: {cpus: 2}}}\n")

    with pytest.raises(ConfigurationError) as caught:
        load_config("c.yaml", environ={}, adapters=adapters)

    assert str(caught.value) == (
        "c.yaml:1:43: 'executor' (local): 'config': unknown key 'cpus'; known are cpu. Did you mean 'cpu'?"
    )


def test_a_rule_of_the_options_themselves_names_the_file(adapters: AdapterManager, folder: Path) -> None:
    """What `__post_init__` raises."""
    (folder / "c.yaml").write_text("executor:\n  type: local\n  config: {k3: refused}\n")

    with pytest.raises(ConfigurationError) as caught:
        load_config("c.yaml", environ={}, adapters=adapters)

    assert (
        str(caught.value)
        == "c.yaml:3:11: 'executor' (local): 'config' cannot be used: k3 must not be 'refused'"
    )


def test_defaults_need_no_pydantic() -> None:
    """Its import would cost more than a small run."""
    code = """
import sys
from magnus.definition.options import build_options
from magnus.definition.pipeline import load_pipeline
from magnus.ports.executor import CommonOptions
build_options(CommonOptions, {}, "x")
sys.exit("pydantic" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_file_that_cannot_be_read_is_not_blamed_for_a_default_that_is_not_installed(
    folder: Path,
) -> None:
    """It may have chosen something else; with the core alone the default executor is missing."""
    (folder / "broken.yaml").write_text("executor: {type: local-container\n")
    alone = AdapterManager([PluginSource("builtin", "magnus.builtin.plugin", "magnus-core 1")])
    with pytest.raises(ConfigurationError) as caught:
        load_config("broken.yaml", environ={}, adapters=alone)
    assert [problem.path for problem in caught.value.problems] == ["broken.yaml"]
