"""Parameters: JSON values, kept as text so that no task can change what another one gets."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from magnus.errors import ParametersError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

INLINE_LIMIT = 1024
"""A value whose JSON text is longer, in characters, is written once per run and referred to by its digest."""

REFERENCE = "$value"
"""The one key of the object that stands for such a value in a run log record."""


_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


class Value:
    """One JSON value; `decode` gives every caller a copy of its own."""

    __slots__ = ("_digest", "text")

    def __init__(self, text: str) -> None:
        """Take compact JSON text."""
        self.text = text
        self._digest = ""

    @classmethod
    def of(cls, value: Any) -> Value:
        """Encode *value*.

        Raises:
            TypeError, ValueError: It is not a JSON value (NaN and infinities are not).
        """
        return cls(_encode(value))

    @property
    def digest(self) -> str:
        """SHA-256 of the text, in hexadecimal."""
        if not self._digest:
            self._digest = hashlib.sha256(self.text.encode(errors="surrogatepass")).hexdigest()
        return self._digest

    @property
    def is_reference(self) -> bool:
        """Whether records refer to the value instead of holding it."""
        # An object with the key of a reference could be taken for one, so it becomes one.
        return len(self.text) > INLINE_LIMIT or (self.text[0] == "{" and f'"{REFERENCE}"' in self.text)

    def decode(self) -> Any:
        """Return a fresh copy of the value."""
        if len(self.text) > _FAST_DECODER_PAYS:
            # Imported for large values only: it decodes several times faster, but its import costs what it would save.
            from pydantic_core import from_json

            with suppress(TypeError):  # it takes no half characters
                return from_json(self.text)
        return json.loads(self.text)

    def in_record(self) -> Any:
        """Return what stands for the value in a run log record."""
        return {REFERENCE: self.digest} if self.is_reference else json.loads(self.text)

    def __eq__(self, other: object) -> bool:
        """Compare as JSON: the order of keys does not matter."""
        if not isinstance(other, Value):
            return NotImplemented
        return self.text == other.text or self.decode() == other.decode()

    def __hash__(self) -> int:
        """Values are not used as keys, but equal texts hash alike."""
        return hash(self.text)

    def __repr__(self) -> str:
        """Show no content: a value may be large, or a secret."""
        return f"<Value of {len(self.text)} characters>"


_FAST_DECODER_PAYS = 1_000_000


Values = dict[str, Value]
"""The parameters of a run or branch, by name."""


def encode_all(raw: Mapping[str, Any], source: str) -> Values:
    """Encode plain values, naming *source* and the parameter in the message of a `ParametersError`."""
    values: Values = {}
    for name, value in raw.items():
        try:
            values[name] = Value.of(value)
        except (TypeError, ValueError) as error:
            message = f"{source}: the parameter '{name}' is not a JSON value ({error}); give JSON types only"
            raise ParametersError(message) from error
    return values


def from_text(text: str) -> Any:
    """Return the value written as *text* in an environment variable: JSON, or else the plain string."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return text


def to_text(value: Any) -> str:
    """Return the text from which `from_text` gives *value* back: a string stays plain where it can."""
    if isinstance(value, str) and from_text(value) == value:
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _refuse_constant(name: str) -> Any:
    message = f"{name} is not JSON"
    raise ValueError(message)


def from_environment(environ: Mapping[str, str], prefix: str = "MAGNUS_PRM_") -> dict[str, Any]:
    """Return the parameters given in the environment; names keep their case."""
    return {
        key[len(prefix) :]: from_text(text)
        for key, text in environ.items()
        if key.startswith(prefix) and key != prefix
    }


def merge_branches(outputs: Iterable[tuple[str, Values]]) -> tuple[Values, list[str]]:
    """Join what the branches of a parallel or dag node set, in the order given.

    Returns:
        The merged values, and one message for each key that two branches set to different values.
    """
    merged: Values = {}
    writers: dict[str, str] = {}
    conflicts: list[str] = []
    for branch, values in outputs:
        for name, value in values.items():
            if name in merged and merged[name] != value:
                conflicts.append(
                    f"the branches '{writers[name]}' and '{branch}' set the parameter '{name}' to different values; "
                    f"that of '{branch}' is kept, because it is declared last"
                )
            merged[name] = value
            writers[name] = branch
    return merged, conflicts


def collect_map(outputs: Sequence[Values]) -> Values:
    """Join what the branches of a map set: a key becomes the list of its values in item order.

    A branch that did not set a key which another one set has null there, so that positions match the items.
    """
    names = dict.fromkeys(name for values in outputs for name in values)
    null = Value("null")
    return {name: Value(f"[{','.join(values.get(name, null).text for values in outputs)}]") for name in names}
