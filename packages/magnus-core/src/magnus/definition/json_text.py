"""Reads JSON exactly as the standard library does, and refuses what it would let pass: the same key twice, NaN."""

from __future__ import annotations

import json
from typing import Any

from magnus.definition.mistake import Mistake
from magnus.definition.variables import is_encodable


def parse_json(text: str) -> tuple[Any, list[Mistake]]:
    """Return the value of *text*, in plain dicts and lists, and what is wrong with it."""
    if not text.strip():
        return None, [Mistake("the file is empty; expected a JSON value", 1, 1)]
    duplicates: list[str] = []
    constants: list[str] = []

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            seen: set[str] = set()
            duplicates.extend(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        return result

    try:
        value = json.loads(text, object_pairs_hook=mapping, parse_constant=constants.append)
    except json.JSONDecodeError as exc:
        return None, [Mistake(f"not valid JSON: {exc.msg}", exc.lineno, exc.colno)]
    except RecursionError:
        return None, [
            Mistake("lists and mappings are nested too deeply; flatten the value, or write it as YAML", 1, 1)
        ]
    except ValueError as exc:
        return None, [Mistake(f"a number cannot be read: {exc}; put it in quotes", 1, 1)]
    mistakes = _located_duplicates(text, duplicates) if duplicates else []
    mistakes += [
        Mistake(f"{name} is not a JSON value; use null or text", *_find(text, name)) for name in constants
    ]
    if "\\u" in text and not is_encodable(json.dumps(value, ensure_ascii=False)):
        message = (
            "a \\u escape stands for half of a surrogate pair, which is no character; write the character"
        )
        mistakes.append(Mistake(message, 1, 1))
    return value, mistakes


def _located_duplicates(text: str, keys: list[str]) -> list[Mistake]:
    """Find the places of duplicate *keys* by reading *text* once more, as YAML: JSON's reader tells no positions."""
    from magnus.definition.yaml_tree import build_tree

    located = [mistake for mistake in build_tree(text, None).mistakes if "is there twice" in mistake.message]
    return located or [Mistake(f"the key {key!r} is there twice; remove or rename one", 1, 1) for key in keys]


def _find(text: str, word: str) -> tuple[int, int]:
    index = text.index(word)
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)
