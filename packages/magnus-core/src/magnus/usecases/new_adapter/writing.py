"""Fills the templates, and writes the package whole or not at all."""

from __future__ import annotations

import shutil
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from string import Template
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from magnus.errors import ConfigurationError
from magnus.ports import PORT_API
from magnus.usecases.new_adapter.names import AdapterNames

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_adapter(name: str, port: str, directory: str | None = None) -> Path:
    """Write the package of a small working adapter; return its folder.

    Args:
        name: What configurations will call it.
        port: What it is an adapter for.
        directory: Where to write it; None for a folder in the current one, named like the package.

    Raises:
        ConfigurationError: The name cannot be used, or the folder holds something or cannot be written.
    """
    names = AdapterNames(name, port)
    target = Path(directory) if directory is not None else Path(names.distribution)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigurationError(f"'{target}' is not empty; name another folder by --directory")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            _write(draft, names)
            draft.chmod(0o755)
            draft.replace(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise ConfigurationError(
            f"'{target}' cannot be written: {error.strerror}; name another folder by --directory"
        ) from error
    return target


def _write(folder: Path, names: AdapterNames) -> None:
    values = {**names.in_templates, **_versions()}
    for path, template in _files(names).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_filled(template, values), encoding="utf-8")


def _files(names: AdapterNames) -> dict[str, str]:
    """Return the template for each file of the package."""
    source = f"src/{names.package}"
    return {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        "conftest.py": "conftest.py",
        f"{source}/__init__.py": "package.py",
        f"{source}/py.typed": "py.typed",
        f"{source}/plugin.py": "plugin.py",
        f"{source}/{names.port}.py": f"{names.port}.py",
        "tests/test_plugin.py": "test_plugin.py",
        f"tests/test_{names.port}.py": f"test_{names.port}.py",
    }


def _filled(template: str, values: Mapping[str, str]) -> str:
    # The names of templates end so that no tool takes them for code.
    text = (
        files("magnus.usecases.new_adapter")
        .joinpath("templates", f"{template}.txt")
        .read_text(encoding="utf-8")
    )
    return Template(text).substitute(values)


def _versions() -> dict[str, str]:
    """Return the port API, and the range of core versions that has it."""
    major, minor = version("magnus-core").split(".")[:2]
    # Before 1.0 every minor release may change what is public.
    below = f"0.{int(minor) + 1}" if major == "0" else str(int(major) + 1)
    return {"port_api": str(PORT_API), "core_from": f"{major}.{minor}", "core_below": below}
