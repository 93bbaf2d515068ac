"""Which operation of which service a request asks for, by the ways in which the protocols say it."""

from __future__ import annotations

import io
import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs

import botocore.session

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

    from botocore.model import OperationModel

_SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")


class _Rule(NamedTuple):
    name: str
    method: str
    path: re.Pattern[str]
    query: frozenset[str]
    headers: frozenset[str]

    @property
    def weight(self) -> int:
        """How much the rule asks for: of those that fit, the most particular one is meant."""
        return len(self.query) + len(self.headers)


def operation_of(environ: MutableMapping[str, Any]) -> str:
    """Return the operation's name, such as `SubmitJob`; empty if the request is none that was signed."""
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return str(target).rpartition(".")[2]
    if str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded"):
        return _action(environ)
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    for rule in _rules(scope.group(1)) if scope else ():
        if (
            rule.method == environ["REQUEST_METHOD"]
            and rule.path.fullmatch(environ["PATH_INFO"])
            and rule.query <= query.keys()
            and all(environ.get(header) for header in rule.headers)
        ):
            return rule.name
    return ""


def _action(environ: MutableMapping[str, Any]) -> str:
    content: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(content)
    return parse_qs(content.decode(errors="replace")).get("Action", [""])[0]


@cache
def _rules(service: str) -> Sequence[_Rule]:
    session = botocore.session.get_session()
    if service not in session.get_available_services():
        return ()
    model = session.get_service_model(service)
    rules = [_rule(model.operation_model(name)) for name in model.operation_names]
    return sorted(rules, key=lambda rule: -rule.weight)


def _rule(operation: OperationModel) -> _Rule:
    path, _, query = operation.http["requestUri"].partition("?")
    asked = set(parse_qs(query, keep_blank_values=True))
    headers = set()
    shape = operation.input_shape
    for name in shape.required_members if shape else ():
        place = shape.members[name].serialization
        if place.get("location") == "querystring":
            asked.add(place["name"])
        elif place.get("location") == "header":
            headers.add(f"HTTP_{place['name'].upper().replace('-', '_')}")
    return _Rule(
        operation.name, operation.http["method"], _pattern(path), frozenset(asked), frozenset(headers)
    )


def _pattern(path: str) -> re.Pattern[str]:
    """Return what matches the paths of an operation: `{Key+}` spans folders, `{Bucket}` does not."""
    parts = re.split(r"(\{[^}]+\})", path.rstrip("/"))
    expression = "".join(
        (".+" if part.endswith("+}") else "[^/]+") if part.startswith("{") else re.escape(part)
        for part in parts
    )
    return re.compile(f"{expression}/?")
