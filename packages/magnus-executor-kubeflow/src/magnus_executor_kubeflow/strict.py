"""Takes a document apart, and refuses by name whatever is left over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from magnus.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Strict:
    """A value of a document, at its place.

    A mapping is read by taking its keys one by one; `end` refuses those that nobody took.
    """

    def __init__(self, value: Any, path: str, file: str) -> None:
        """Read *value*, which stands at *path* in *file*."""
        self.value = value
        self.path = path
        self.file = file
        self._left = dict(value) if isinstance(value, dict) else {}

    def refuse(self, why: str) -> NoReturn:
        """Say that the value is not interpreted.

        Raises:
            ConfigurationError: Always.
        """
        raise ConfigurationError(f"{self.file}: {self.path or 'the document'}: {why}")

    def mapping(self) -> Strict:
        """Return the value itself, which is a mapping."""
        if not isinstance(self.value, dict) or not all(isinstance(key, str) for key in self.value):
            self.refuse(f"a mapping is expected, not {self.value!r}")
        return self

    def has(self, key: str) -> bool:
        """Whether a mapping has *key*."""
        return key in self.value

    def take(self, key: str) -> Strict:
        """Return what a mapping has under *key*."""
        if key not in self.value:
            self.refuse(f"'{key}' is missing")
        self._left.pop(key, None)
        return self._at(self.value[key], key)

    def take_mapping(self, key: str) -> Strict:
        """Return the mapping under *key*; an empty one if there is none."""
        if key not in self.value:
            return self._at({}, key)
        return self.take(key).mapping()

    def text(self, key: str) -> str:
        """Return the text under *key*."""
        taken = self.take(key)
        if not isinstance(taken.value, str):
            taken.refuse(f"text is expected, not {taken.value!r}")
        return taken.value

    def texts(self, key: str) -> list[str]:
        """Return the list of texts under *key*; none if there is none."""
        return [each._as_text() for each in self.list(key)]  # noqa: SLF001 - of the same class

    def list(self, key: str) -> list[Strict]:
        """Return what stands in the list under *key*; nothing if there is none."""
        if key not in self.value:
            return []
        taken = self.take(key)
        if not isinstance(taken.value, list):
            taken.refuse(f"a list is expected, not {taken.value!r}")
        return [taken._at(value, str(number)) for number, value in enumerate(taken.value)]  # noqa: SLF001

    def number(self, key: str, default: float) -> float:
        """Return the number under *key*, at least 0."""
        if key not in self.value:
            return default
        taken = self.take(key)
        value = taken.value
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            taken.refuse(f"a number of at least 0 is expected, not {value!r}")
        return float(value)

    def expect(self, key: str, *values: Any) -> None:
        """Take what stands under *key*, which is one of *values*."""
        taken = self.take(key)
        if taken.value not in values:
            taken.refuse(
                f"{taken.value!r} is not interpreted; magnus renders {' or '.join(map(repr, values))}"
            )

    def items(self) -> Iterator[tuple[str, Strict]]:
        """Yield every key and what stands there, as one takes all of them."""
        for key in list(self._left):
            yield key, self.take(key)

    def end(self) -> None:
        """Refuse what nobody took."""
        if self._left:
            key = next(iter(self._left))
            self._at(self.value[key], key).refuse("is not interpreted; magnus renders no such thing")

    def _as_text(self) -> str:
        if not isinstance(self.value, str):
            self.refuse(f"text is expected, not {self.value!r}")
        return self.value

    def _at(self, value: Any, key: str) -> Strict:
        return Strict(value, f"{self.path}.{key}" if self.path else key, self.file)
