from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.cli.conftest import Said


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "same"),
    [
        (["check", "--config_file", "no_such.yaml"], ["check", "--config-file", "no_such.yaml"]),
        (["check", "--config_file=no_such.yaml"], ["check", "--config-file=no_such.yaml"]),
        (["execute_step", "a", "--run_id", "_"], ["execute-step", "a", "--run-id", "_"]),
        (["build_docker", "app", "--dry_run"], ["build-docker", "app", "--dry-run"]),
    ],
)
def test_underscores_and_dashes_mean_the_same_in_names(
    magnus: Callable[..., Said], arguments: list[str], same: list[str]
) -> None:
    """Of commands and options; the values behind them are what they are."""
    said = magnus(*arguments)
    assert said == magnus(*same)
    assert "No such" not in said.err
    assert "no-such.yaml" not in said.err


def test_what_stands_behind_two_dashes_is_no_option(magnus: Callable[..., Said]) -> None:
    """So it keeps its spelling."""
    assert "'--my_thing'" in magnus("adapters", "new", "--port", "catalog", "--", "--my_thing").err
