"""How one secret can look in text: as it is, quoted, escaped, encoded, or broken into lines."""

from __future__ import annotations

import json
from binascii import b2a_base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MIN_LENGTH = 4
"""Shorter secrets are not hidden: they occur everywhere, so the places of the masks would give them away."""

_MIN_LINE_LENGTH = 6
"""Shorter lines of a secret (a brace, a blank PEM header) are too common to be hidden by themselves."""

_MIN_ENCODED_LENGTH = 8
_BASE64_LINE_LENGTHS = (64, 76)
"""Where PEM and MIME break lines."""


def forms_of(secret: str) -> set[str]:
    """Return every text that stands for *secret*; empty when it is too short to be hidden.

    A form holds a line break only where lines of the secret are too short to be hidden one by one.
    """
    if len(secret.strip()) < MIN_LENGTH:
        return set()
    parts = {secret, secret.strip()}
    lines = [line.strip() for line in secret.splitlines()]
    if len(lines) > 1:
        parts.update(line for line in lines if len(line) >= _MIN_LINE_LENGTH)
    escaped = {form for part in parts for form in _escaped(part)}
    # An escaped text is often put into JSON once more: an error message in a run log, JSON in a parameter.
    forms = escaped | {form for text in escaped for form in _in_json(text)}
    for part in (secret, secret.strip()):
        forms.update(_in_base64(part))
    if all(len(line) >= _MIN_LINE_LENGTH for line in lines if line):
        forms = {form for form in forms if "\n" not in form and "\r" not in form}
    return forms


def to_bytes(text: str) -> bytes:
    """Encode *text* as it is written to a stream; bytes that were no UTF-8 come out as they were."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _escaped(text: str) -> Iterator[str]:
    yield text
    yield from _in_json(text)
    yield from _in_repr(text)
    yield from _in_url(text)
    if "'" in text:  # inside single quotes, as `set -x` and `shlex.quote` write it
        yield text.replace("'", "'\\''")
        yield text.replace("'", "'\"'\"'")


def _in_json(text: str) -> tuple[str, str]:
    return json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]


def _in_repr(text: str) -> Iterator[str]:
    """Yield what `repr` makes of *text* inside a longer string, which decides about the quotes."""
    for render in (repr, ascii):
        yield render('"' + text)[2:-1]
        yield "'".join(render(part)[1:-1] for part in text.split("'"))
    yield repr(b'"' + to_bytes(text))[3:-1]


def _in_url(text: str) -> Iterator[str]:
    if text.isalnum() and text.isascii():
        return
    from urllib.parse import quote_from_bytes

    data = to_bytes(text)
    for safe in ("", "/"):
        quoted = quote_from_bytes(data, safe=safe)
        yield quoted
        yield quoted.replace("%20", "+")
        yield _with_lower_case_escapes(quoted)


def _with_lower_case_escapes(quoted: str) -> str:
    first, *rest = quoted.split("%")
    return first + "".join(f"%{part[:2].lower()}{part[2:]}" for part in rest)


def _in_base64(text: str) -> Iterator[str]:
    """Yield *text* in base64: by itself, broken into lines, and in the middle of something longer (`user:secret`)."""
    data = to_bytes(text)
    for shift in range(3):
        # What surrounds the secret shares the first and the last group of four characters with it.
        encoded = _base64(b"\0" * shift + data)
        inner = encoded[4 if shift else 0 : (shift + len(data)) // 3 * 4]
        for form in (inner, encoded) if shift == 0 else (inner,):
            if len(form) >= _MIN_ENCODED_LENGTH:
                yield form
                yield form.replace("+", "-").replace("/", "_")
    whole = _base64(data)
    for length in _BASE64_LINE_LENGTHS:
        if len(whole) > length:
            for start in range(0, len(whole), length):
                line = whole[start : start + length]
                if len(line) >= _MIN_ENCODED_LENGTH:
                    yield line


def _base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode("ascii")
