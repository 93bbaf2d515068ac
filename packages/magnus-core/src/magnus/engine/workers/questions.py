"""Answers to what a task asks while it runs in a worker: secrets, files, and texts to be masked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from magnus.domain.nodes import CatalogSettings
from magnus.domain.run_log import DataCatalog
from magnus.errors import MagnusError

if TYPE_CHECKING:
    from magnus.engine.session import Session

_QUICK = frozenset({"mask", "record"})


def is_quick(question: dict[str, Any]) -> bool:
    """Return True if the answer needs neither a disk nor a server."""
    return question.get("ask") in _QUICK


def answer(session: Session, question: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to *question* of the task of *session*; an error is an answer, too."""
    try:
        return _answer(session, question)
    except MagnusError as error:
        return {"error": str(error), "kind": type(error).__name__}
    except Exception as error:  # noqa: BLE001 - an adapter's own; it fails the task that has asked
        return {"error": f"{type(error).__name__}: {error}", "kind": "ServiceError"}


def _answer(session: Session, question: dict[str, Any]) -> dict[str, Any]:
    kind = question["ask"]
    if kind == "mask":
        return {"text": session.mask(str(question["text"]))}
    if kind == "secret":
        name = question["name"]
        return {"value": session.get_secret(None if name is None else str(name))}
    if kind == "get":
        settings = CatalogSettings(get=_texts(question["get"]), optional=_texts(question["optional"]))
        folder = question["folder"]
        entries = session.get_from_catalog(settings, None if folder is None else Path(str(folder)))
        return {"entries": [list(entry) for entry in entries]}
    if kind == "put":
        entries = session.put_in_catalog(Path(str(question["folder"])), _texts(question["patterns"]))
        return {"entries": [list(entry) for entry in entries]}
    if kind == "keep":
        session.keep_file(Path(str(question["path"])), str(question["name"]))
        return {}
    if kind == "record":
        session.record([DataCatalog(*entry) for entry in question["entries"]])
        return {}
    return {"error": f"magnus has no answer to '{kind}'", "kind": "ExecutionError"}


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(each) for each in value)
