"""The five blocks of configuration, as they stand in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.definition.checks import check, check_names, plain
from magnus.definition.findings import Spot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.definition.findings import Findings
    from magnus.domain.nodes import Place

BLOCKS = ("executor", "run_log_store", "catalog", "secrets", "experiment_tracker")
"""The ports that a configuration chooses an adapter for."""

BLOCK_ALIASES = {"mode": "executor", "run_log": "run_log_store"}
"""Older spellings."""

BLOCK_KEYS: dict[str, dict[str, Any]] = {
    "type": {"type": "string", "minLength": 1, "description": "The name of an installed adapter."},
    "config": {"type": "object", "description": "The adapter's options."},
}


class RawBlock(NamedTuple):
    """What was written for one port.

    Attributes:
        port: One of `BLOCKS`.
        type: The adapter's name.
        config: Its options as written; positions are kept where the file had them.
        path: The file; None for configuration given in Python.
        place: Where the adapter's name stands.
    """

    port: str
    type: str
    config: Mapping[str, Any]
    path: str | None = None
    place: Place | None = None


def collect_blocks(value: Mapping[str, Any], findings: Findings) -> dict[str, RawBlock]:
    """Return the blocks among the keys of *value* by port, and note what is wrong with them."""
    blocks: dict[str, RawBlock] = {}
    for key in value:
        port = BLOCK_ALIASES.get(key, key)
        if port not in BLOCKS:
            continue
        if port != key and port in value:
            findings.add_key(f"'{key}' is the older spelling of '{port}'; keep one of them", value, key)
        block = _block(port, key, value, findings)
        if block is not None:
            blocks[port] = block
    return blocks


def _block(port: str, key: str, value: Mapping[str, Any], findings: Findings) -> RawBlock | None:
    raw = value[key]
    if not check(raw, {"type": "object"}, Spot(f"'{key}'", findings, value, key)):
        return None
    valid = check_names(raw, BLOCK_KEYS, ("type",), Spot(f"'{key}'", findings, value, key))
    for name, schema in BLOCK_KEYS.items():
        if name in raw:
            valid &= check(raw[name], schema, Spot(f"'{key}': '{name}'", findings, raw, name))
    if not valid:
        return None
    config = raw.get("config", {})
    before = len(findings.problems)
    plain(config, Spot(f"'{key}': 'config'", findings, raw, "config"))
    if len(findings.problems) > before:
        return None
    return RawBlock(port, raw["type"], config, findings.path, findings.place_of(raw, "type"))
