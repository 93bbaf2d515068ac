"""The policy of the job role; its syntax is checked by moto, which knows IAM's rules."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

import boto3
import pytest

from magnus.ports.executor import ComputeNeeds
from magnus_executor_awsbatch.config import AwsBatchOptions
from magnus_executor_awsbatch.executor import AwsBatchExecutor
from magnus_executor_awsbatch.iam import s3_statements, statement

HANDOVER = "s3://bucket/magnus/handover"


def need(*statements: dict[str, Any]) -> ComputeNeeds:
    """Return what a service needs."""
    return ComputeNeeds(permissions=tuple(json.dumps(each) for each in statements))


def policy(*needs: ComputeNeeds, handover: str = HANDOVER) -> dict[str, Any]:
    """Return the policy for a configuration."""
    options = AwsBatchOptions(job_queue="q", docker_image="i", handover=handover)
    found: dict[str, Any] = json.loads(AwsBatchExecutor.permissions(options, needs))
    return found


def allows(found: dict[str, Any], action: str, resource: str) -> bool:
    """Tell whether a policy allows an action, conditions aside."""
    return any(
        any(fnmatchcase(action, each) for each in item["Action"])
        and any(fnmatchcase(resource, each) for each in item["Resource"])
        for item in found["Statement"]
    )


ACTIONS = ["s3:GetObject", "s3:PutObject"]
SECRETS = statement(
    "MagnusSecrets", ["secretsmanager:GetSecretValue"], ["arn:aws:secretsmanager:*:*:secret:a-??????"]
)
STORES = (
    need(*s3_statements("MagnusRunLog", "bucket", "runs/", ACTIONS)),
    need(*s3_statements("MagnusCatalog", "bucket", "", ACTIONS)),
)


@pytest.mark.parametrize(
    "found",
    [
        policy(),
        policy(*STORES, need(SECRETS)),
        policy(need(SECRETS, {**SECRETS, "Resource": ["*"]})),
        policy(
            need(*s3_statements("Own", "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine", "runs", ACTIONS))
        ),
    ],
)
def test_iam_takes_it(found: dict[str, Any]) -> None:
    """Statement by statement: names, effects, actions, resources, conditions."""
    moto = pytest.importorskip("moto", reason="needs moto, which knows the rules of IAM")
    with moto.mock_aws():
        client = boto3.client(
            "iam", region_name="us-east-1", aws_access_key_id="canary", aws_secret_access_key="canary"
        )
        made = client.create_policy(PolicyName="jobs", PolicyDocument=json.dumps(found))
        assert made["Policy"]["Arn"]
        with pytest.raises(client.exceptions.MalformedPolicyDocumentException):
            client.create_policy(PolicyName="bad", PolicyDocument=json.dumps({**found, "Version": "2012"}))
        client.close()


def test_a_job_may_read_what_it_is_told_and_answer() -> None:
    """And nothing else of the bucket."""
    found = policy()
    for action in ("s3:GetObject", "s3:PutObject"):
        assert allows(found, action, "arn:aws:s3:::bucket/magnus/handover/run/job.jobs")
    assert not allows(found, "s3:DeleteObject", "arn:aws:s3:::bucket/magnus/handover/run/job.jobs")
    assert not allows(found, "s3:GetObject", "arn:aws:s3:::bucket/magnus/other")


def test_stores_are_kept_below_their_prefixes() -> None:
    """Lists too: these are allowed on the bucket, under a condition."""
    objects, listing = s3_statements("X", "bucket", "/runs/", ACTIONS)
    assert objects["Resource"] == ["arn:aws:s3:::bucket/runs/*"]
    assert listing["Resource"] == ["arn:aws:s3:::bucket"]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["runs/*"]}}


def test_objects_of_an_access_point_are_named_by_its_arn() -> None:
    """As IAM wants them."""
    arn = "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine"
    objects, listing = s3_statements("X", arn, "runs", ACTIONS)
    assert (objects["Resource"], listing["Resource"]) == ([f"{arn}/object/runs/*"], [arn])


def test_what_several_services_need_alike_stands_once() -> None:
    """Names differ where contents do."""
    other = {**SECRETS, "Resource": ["other"]}
    found = policy(need(SECRETS), need(SECRETS), need(other), handover="")
    assert [(item["Sid"], item["Resource"]) for item in found["Statement"]] == [
        ("MagnusSecrets", SECRETS["Resource"]),
        ("MagnusSecrets2", ["other"]),
    ]
