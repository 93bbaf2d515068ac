from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import magnus
from magnus import errors


@pytest.mark.parametrize("name", magnus.__all__)
def test_every_public_name_can_be_used_and_says_what_it_is(name: str) -> None:
    """It is public because it is there, has no underscore, and has a docstring."""
    value = getattr(magnus, name)
    assert inspect.getdoc(value)
    assert value.__name__ == name
    assert value is getattr(magnus, name)


def test_the_public_names_are_listed() -> None:
    """For `dir` and completion, in order and once."""
    assert dir(magnus) == sorted(set(magnus.__all__))
    assert list(magnus.__all__) == sorted(magnus.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """`hasattr` and `from magnus import ...` need it."""
    assert not hasattr(magnus, "no_such_name")
    with pytest.raises(ImportError, match="no_such_name"):
        exec("from magnus import no_such_name")  # noqa: S102 - what is tested


def test_importing_magnus_imports_nothing_else_of_it() -> None:
    """Whoever writes an adapter loads neither the command line nor the engine."""
    code = "import sys, magnus; print([name for name in sys.modules if name.startswith('magnus.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_error_is_one_of_ours_with_an_exit_code() -> None:
    """One hierarchy: the command line catches its root, and nothing else."""
    found = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, BaseException)
    ]
    assert len(found) > 10
    for error in found:
        assert issubclass(error, errors.MagnusError)
        assert error.exit_code in {1, 2, 3, 130}
        assert inspect.getdoc(error)


@pytest.mark.parametrize("package", ["magnus.ports", "magnus.domain"])
def test_everything_public_of_the_inner_rings_is_documented(package: str) -> None:
    """An adapter is written by what its port says: every class and every method."""
    silent = []
    for info in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", "") != info.name:
                continue
            silent += [f"{info.name}.{name}"] if not value.__doc__ else []
            members = vars(value).items() if isinstance(value, type) else ()
            silent += [
                f"{info.name}.{name}.{key}"
                for key, member in members
                if not key.startswith("_") and inspect.isfunction(member) and not member.__doc__
            ]
    assert silent == []
