"""Keeps secrets out of everything that magnus shows or stores."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.engine.secret_forms import MIN_LENGTH, forms_of, to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "***"
"""Stands where a secret stood."""


class Patterns(NamedTuple):
    """What is hidden in byte streams; one character stands for one byte (Latin-1), which is quicker to search.

    Attributes:
        forms: Every form of every secret, longest first.
        alphabet: Every character that occurs in them, once.
    """

    forms: tuple[str, ...]
    alphabet: str


class Masker:
    """The secrets that were handed out so far, and how to hide them.

    A secret is hidden as it is, inside JSON and `repr`, URL-quoted, in base64, and line by line where it has several
    lines. One of fewer than four characters is not hidden: it occurs in any text, and the places of the masks would
    tell what it is. May be used from several threads.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Hide *secrets* from the start."""
        self._lock = threading.Lock()
        self._secrets: dict[str, None] = {}
        self._forms: frozenset[str] = frozenset()
        self._texts: tuple[str, ...] = ()
        self.patterns = Patterns((), "")
        """What is hidden in byte streams; replaced as a whole when a secret is added."""
        self._add_all(secrets)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets, in the order they were added, for the masker of another process."""
        return tuple(self._secrets)

    def add(self, secret: str) -> bool:
        """Hide *secret* from now on; return whether it is long enough for that."""
        if secret not in self._secrets:
            self._add_all((secret,))
        return len(secret.strip()) >= MIN_LENGTH

    def mask(self, text: str) -> str:
        """Return *text* with every secret replaced by `***`; the same object when there is none in it."""
        found = [form for form in self._texts if form in text]
        if not found:
            return text
        pieces: list[str] = []
        position = 0
        for start, end in _spans(text, found):
            pieces += (text[position:start], MASK)
            position = end
        pieces.append(text[position:])
        return "".join(pieces)

    def _add_all(self, secrets: Iterable[str]) -> None:
        with self._lock:
            new: set[str] = set()
            for secret in secrets:
                # A dictionary that is replaced, not changed, can be read by other threads without the lock.
                self._secrets = {**self._secrets, secret: None}
                new |= forms_of(secret)
            if new:
                self._forms |= new
                self._texts = tuple(sorted(self._forms, key=len, reverse=True))
                as_bytes = {to_bytes(form).decode("latin-1") for form in self._forms}
                alphabet = "".join({character for form in as_bytes for character in form})
                self.patterns = Patterns(tuple(sorted(as_bytes, key=len, reverse=True)), alphabet)


class StreamMasker:
    """Hides the secrets of a masker in bytes that arrive in pieces; belongs to one stream.

    Only what could be the beginning of a secret is held back until more arrives. What is no UTF-8 goes through
    unchanged. Not for several threads at a time.
    """

    def __init__(self, masker: Masker) -> None:
        """Hide what *masker* knows at the time a piece arrives."""
        self._masker = masker
        self._held = ""
        self._hidden = 0
        """How many of the first bytes of *_held* belong to a secret for which a mask has been given out already."""

    def feed(self, data: bytes) -> bytes:
        """Take the next piece and return what can be shown now."""
        patterns = self._masker.patterns
        if not patterns.forms:
            return data
        text = self._held + data.decode("latin-1")
        cut = _start_of_unfinished(text, patterns)
        return self._release(text, patterns, cut).encode("latin-1")

    def flush(self) -> bytes:
        """Return what was held back: nothing more will come."""
        return self._release(self._held, self._masker.patterns, len(self._held)).encode("latin-1")

    def _release(self, text: str, patterns: Patterns, cut: int) -> str:
        """Mask *text*, give out what stands before *cut* and hold the rest."""
        found = [form for form in patterns.forms if form in text]
        hidden = self._hidden
        self._held = text[cut:]
        self._hidden = 0
        if not found and not hidden:
            return text[:cut]
        pieces: list[str] = []
        position = 0
        for start, end in _spans(text, found, hidden):
            is_shown = start == 0 and hidden > 0
            if start >= cut and not is_shown:
                break
            pieces.append(text[position:start])
            if not is_shown:
                pieces.append(MASK)
            position = end
        if position > cut:
            self._hidden = position - cut
        else:
            pieces.append(text[position:cut])
        return "".join(pieces)


class MaskedConfig(NamedTuple):
    """A configuration that can be shown and stored.

    Attributes:
        value: The copy, of plain dictionaries and lists.
        secrets: What was hidden in it, each once, for a `Masker`.
    """

    value: Any
    secrets: tuple[str, ...]


def mask_config(value: Any, variables: Mapping[str, str] | None = None) -> MaskedConfig:
    """Return a copy of a configuration in which every credential is `***`.

    A credential is what stands under a key that names one (`password`, `api_key`, `dbToken`, ...), the password in a
    URL or in a connection string (`host=h password=p`), and the value of a variable whose name names one. Booleans,
    nothing and empty text are no credentials; neither are keys that say where one is (`token_file`, `secret_name`).

    Args:
        value: JSON values; mappings may be of any type.
        variables: Name to value of the variables that were used in it.
    """
    secrets: dict[str, None] = {}
    named = [
        text for name, text in (variables or {}).items() if len(text) >= MIN_LENGTH and names_credential(name)
    ]
    masked = _mask_value(value, sorted(named, key=len, reverse=True), secrets, is_credential=False)
    secrets.update(dict.fromkeys(named))
    return MaskedConfig(masked, tuple(secrets))


def names_credential(name: str) -> bool:
    """Tell whether the value under the key *name* is a credential."""
    lowered = name.lower()
    # Almost every key ends here: compiling the expressions below costs more than the rest of a small configuration.
    if lowered == "secrets" or not any(hint in lowered for hint in _CREDENTIAL_HINTS):
        return False
    words = re.sub(r"[-. ]", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)).lower()
    return re.search(_CREDENTIAL_NAME, words) is not None and re.search(_ABOUT_CREDENTIAL, words) is None


_CREDENTIAL_HINTS = ("pass", "pwd", "secret", "token", "cred", "key", "authorization")
_CREDENTIAL_NAME = (
    r"passw(?:or)?d|passphrase|(?:^|_)(?:pwd|pass)(?:_|$)|pwd$|secret|credential|token(?:s?$|_)|authorization"
    r"|(?:api|access|private|account|shared|signing|encryption)_?key"
)
_ABOUT_CREDENTIAL = (
    r"(?:^|_)(?:file|path|name|arn|env|ttl|seconds|days|url|uri|type|count|length|location|manager|prefix|provider)$"
    r"|^(?:max|min|num)_"
)
"""The name says where a credential is or what it is like, not what it is."""

_USERINFO = r"(://[^\s/?#:@]*:)([^\s/?#]+|(?!\d+/)[^\s@]+)(?=@)"
_BARE_USERINFO = r"(https?://)([^\s/?#:@]+)(?=@)"
_ASSIGNMENT = (
    r"(?i)((?<![a-z])[a-z_-]*(?:password|passwd|pwd|secret|token|(?:api|access|account)_?key)\s*=\s*)"
    r"(?!\s)('[^']*'|\"[^\"]*\"|[^\s;&'\"]+)"
)


def _mask_value(value: Any, named: list[str], secrets: dict[str, None], *, is_credential: bool) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _mask_value(item, named, secrets, is_credential=is_credential or names_credential(str(key)))
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_mask_value(item, named, secrets, is_credential=is_credential) for item in value]
    if value is None or value is True or value is False or value in ("", MASK):
        return value
    if is_credential:
        secrets[str(value)] = None
        return MASK
    return _mask_text(value, named, secrets) if isinstance(value, str) else value


def _mask_text(text: str, named: list[str], secrets: dict[str, None]) -> str:
    def hide(match: re.Match[str]) -> str:
        from urllib.parse import unquote

        found = match[2].strip("'\"")
        secrets[found] = None
        secrets[unquote(found)] = None
        return match[1] + MASK

    for secret in named:
        text = text.replace(secret, MASK)
    if "://" in text and "@" in text:
        text = re.sub(_USERINFO, hide, text)
        text = re.sub(_BARE_USERINFO, hide, text)
    if "=" in text:
        text = re.sub(_ASSIGNMENT, hide, text)
    return text


def _spans(text: str, found: Iterable[str], hidden: int = 0) -> list[tuple[int, int]]:
    """Return where any of *found* stands in *text*, in order, what overlaps taken together.

    The first *hidden* characters count as found: secrets may overlap, and each must be hidden to its end.
    """
    spans = [(0, hidden)] if hidden else []
    for form in found:
        start = text.find(form)
        while start >= 0:
            spans.append((start, start + len(form)))
            start = text.find(form, start + 1)
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _start_of_unfinished(text: str, patterns: Patterns) -> int:
    """Return where the longest end of *text* starts that begins a form without ending it; else its length."""
    length = len(text)
    cut = length
    last = text[-1:]
    if last not in patterns.alphabet:  # most often a line end
        return length
    for form in patterns.forms:
        if last not in form:
            continue
        first = form[0]
        start = text.find(first, max(0, length - len(form) + 1), cut)
        while start >= 0:
            if form.startswith(text[start:]):
                cut = start
                break
            start = text.find(first, start + 1, cut)
    return cut
