"""Reads what YAML holds, and refuses by name and place everything that nobody asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from magnus.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    T = TypeVar("T")


class Value:
    """Something in a file, and where it stands."""

    def __init__(self, value: Any, where: str) -> None:
        """Hold *value*; *where* begins messages."""
        self.value = value
        self.where = where

    def refuse(self, message: str) -> NoReturn:
        """Say what is wrong, and where."""
        raise ConfigurationError(f"{self.where}: {message}")

    def fields(self, *known: str, required: tuple[str, ...] = ()) -> dict[str, Value]:
        """Return the entries of a mapping, which has no others than *known* and *required*, and has those."""
        if not isinstance(self.value, dict):
            self.refuse("a mapping is expected")
        for key in self.value:
            if key not in known and key not in required:
                names = ", ".join(sorted({*known, *required}))
                self.refuse(
                    f"{key!r} is nothing that magnus renders, and is not interpreted; known are {names}"
                )
        for key in required:
            if key not in self.value:
                self.refuse(f"{key!r} is missing")
        return {key: Value(each, f"{self.where}.{key}") for key, each in self.value.items()}

    def items(self) -> list[Value]:
        """Return the items of a list."""
        if not isinstance(self.value, list):
            self.refuse("a list is expected")
        return [Value(each, self._item(index, each)) for index, each in enumerate(self.value)]

    def _item(self, index: int, value: Any) -> str:
        name = value.get("name") if isinstance(value, dict) else None
        return f"{self.where}[{index}]" + (f" ({name})" if isinstance(name, str) else "")

    def text(self) -> str:
        """Return a text."""
        if not isinstance(self.value, str):
            self.refuse(f"a text is expected, not {self.value!r}")
        return self.value

    def texts(self) -> dict[str, str]:
        """Return a mapping of texts."""
        if not isinstance(self.value, dict):
            self.refuse("a mapping is expected")
        return {
            Value(key, self.where).text(): Value(each, f"{self.where}.{key}").text()
            for key, each in self.value.items()
        }

    def one_of(self, *texts: str) -> str:
        """Return one of *texts*."""
        if self.value not in texts:
            self.refuse(f"{self.value!r} is not interpreted; known are {', '.join(texts)}")
        return str(self.value)

    def number(self, least: int = 0) -> int:
        """Return a whole number."""
        if isinstance(self.value, bool) or not isinstance(self.value, int) or self.value < least:
            self.refuse(f"a whole number is expected, at least {least}, not {self.value!r}")
        return self.value

    def read_by(self, read: Callable[[str], T]) -> T:
        """Return what *read* makes of the text; its ValueError becomes a message."""
        try:
            return read(self.text())
        except ValueError as error:
            self.refuse(str(error))


def load(text: str, path: str) -> Value:
    """Return what the YAML *text* holds; a key may stand only once in its mapping.

    Raises:
        ConfigurationError: It is no YAML.
    """
    try:
        return Value(yaml.load(text, Loader=_Loader), path)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is no YAML: {' '.join(str(error).split())}") from error


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # chosen when it runs
    """Refuses what would silently be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Mapping[Any, Any]:  # noqa: FBT001, FBT002 - as PyYAML has it
        """Return the mapping, in which every key stands once."""
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        if len(found) < len(node.value):
            message = "a key stands twice in the mapping"
            raise yaml.constructor.ConstructorError(None, None, message, node.start_mark)
        return found
