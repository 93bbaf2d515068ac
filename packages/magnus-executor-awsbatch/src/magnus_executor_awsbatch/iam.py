"""What the role that jobs run as must be allowed, as an IAM policy. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from magnus.ports.executor import ComputeNeeds

_VERSION = "2012-10-17"
"""Of IAM's language."""


def job_role_policy(handover: str, needs: Sequence[ComputeNeeds]) -> str:
    """Return the policy as JSON text.

    Args:
        handover: Where jobs find what to do; empty for nowhere.
        needs: What the services need; their permissions are statements.
    """
    statements = [json.loads(text) for need in needs for text in need.permissions]
    if handover:
        statements.append(
            statement("MagnusHandover", ["s3:GetObject", "s3:PutObject"], [f"{_s3_arn(handover)}/*"])
        )
    unique = {json.dumps(each, sort_keys=True): each for each in statements}
    numbered = _with_own_names(list(unique.values()))
    return json.dumps({"Version": _VERSION, "Statement": numbered}, indent=2)


def statement(name: str, actions: Sequence[str], resources: Sequence[str]) -> dict[str, Any]:
    """Return a statement that allows *actions* on *resources*."""
    return {"Sid": name, "Effect": "Allow", "Action": list(actions), "Resource": list(resources)}


def s3_statements(name: str, bucket: str, prefix: str, actions: Sequence[str]) -> list[dict[str, Any]]:
    """Return what allows *actions* on the objects below a prefix, and to list them."""
    is_access_point = bucket.startswith("arn:")
    where = bucket if is_access_point else f"arn:aws:s3:::{bucket}"
    objects_in = f"{where}/object" if is_access_point else where
    below = f"{prefix.strip('/')}/*" if prefix.strip("/") else "*"
    return [
        statement(f"{name}Objects", actions, [f"{objects_in}/{below}"]),
        statement(f"{name}Listing", ["s3:ListBucket"], [where])
        | {"Condition": {"StringLike": {"s3:prefix": [below]}}},
    ]


def _with_own_names(statements: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return *statements* with names that differ, as IAM wants them."""
    counts: dict[str, int] = {}
    named = []
    for each in statements:
        name = each.get("Sid", "Magnus")
        counts[name] = counts.get(name, 0) + 1
        number = "" if counts[name] == 1 else str(counts[name])
        named.append({**each, "Sid": f"{name}{number}"})
    return named


def _s3_arn(address: str) -> str:
    return f"arn:aws:s3:::{address.removeprefix('s3://').rstrip('/')}"
