from __future__ import annotations

import importlib
import importlib.util
import sys

import pytest


def test_a_missing_mlflow_is_found_out_when_the_tracker_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not after the run: the configuration is refused before anything starts."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, package=None: None if name == "mlflow" else find_spec(name, package),
    )
    monkeypatch.delitem(sys.modules, "magnus_stores.tracker.mlflow", raising=False)
    with pytest.raises(ModuleNotFoundError, match="mlflow"):
        importlib.import_module("magnus_stores.tracker.mlflow")
