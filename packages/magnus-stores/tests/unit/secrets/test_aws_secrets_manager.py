from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest

from magnus.errors import SecretNotFoundError, ServiceError
from magnus_stores.secrets.aws_secrets_manager import AwsSecretsManager, AwsSecretsManagerOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CANARY = "canary-5f2c81d0"


@pytest.fixture
def stored(aws: str) -> Iterator[Callable[[str | bytes], Any]]:
    """Lend a function that stores a secret and returns what AWS says of it."""

    def store(value: str | bytes) -> Any:
        kind = "SecretString" if isinstance(value, str) else "SecretBinary"
        content: dict[str, Any] = {kind: value}
        return client.create_secret(Name=f"app/{uuid4().hex}", **content)

    with closing(boto3.client("secretsmanager", region_name="us-east-1")) as client:
        yield store


def test_a_secret_is_fetched_once(stored: Callable[[str | bytes], Any], requests: Any) -> None:
    """All that stand in one of AWS together, each of the others by itself; a missing one each time."""
    one = stored(json.dumps({"A": "1", "B": "2"}))["Name"]
    with closing(AwsSecretsManager(AwsSecretsManagerOptions(secret_name=one))) as secrets:
        assert [secrets.get(name) for name in "ABA"] == ["1", "2", "1"]
        assert secrets.get_all() == {"A": "1", "B": "2"}
    assert requests.operations == ["GetSecretValue"]
    requests.sent.clear()
    with closing(AwsSecretsManager(AwsSecretsManagerOptions(prefix="app/"))) as secrets:
        for _ in range(2):
            secrets.get(one.removeprefix("app/"))
            with pytest.raises(SecretNotFoundError):
                secrets.get("NONE")
    assert requests.operations == ["GetSecretValue"] * 3


def test_the_arn_and_a_version_can_be_named(stored: Callable[[str | bytes], Any]) -> None:
    """A version that is not there is an error of the service: the configuration names it, not the task."""
    one = stored('{"A": "1"}')
    options = AwsSecretsManagerOptions(secret_name=one["ARN"], version_id=one["VersionId"])
    with closing(AwsSecretsManager(options)) as secrets:
        assert secrets.get("A") == "1"
    with (
        closing(
            AwsSecretsManager(AwsSecretsManagerOptions(secret_name=one["ARN"], version_id=str(uuid4())))
        ) as secrets,
        pytest.raises(ServiceError, match="version_id"),
    ):
        secrets.get("A")


def test_what_is_no_text_in_the_object_is_handed_out_as_json(stored: Callable[[str | bytes], Any]) -> None:
    """A port of a database, for instance."""
    one = stored('{"port": 5432, "options": {"a": [1]}, "on": true}')["Name"]
    with closing(AwsSecretsManager(AwsSecretsManagerOptions(secret_name=one))) as secrets:
        assert [secrets.get(name) for name in ("port", "options", "on")] == ["5432", '{"a": [1]}', "true"]


@pytest.mark.parametrize("value", [CANARY, f'["{CANARY}"]', CANARY.encode()])
def test_what_is_no_json_object_is_refused_without_being_shown(
    stored: Callable[[str | bytes], Any], value: str | bytes
) -> None:
    """Neither in the message nor in a cause."""
    one = stored(value)["Name"]
    with (
        closing(AwsSecretsManager(AwsSecretsManagerOptions(secret_name=one))) as secrets,
        pytest.raises(ServiceError, match=one) as caught,
    ):
        secrets.get("A")
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_missing_secret_of_aws_is_an_error_of_the_service(aws: str) -> None:
    """Where all secrets are said to be in it."""
    with (
        closing(AwsSecretsManager(AwsSecretsManagerOptions(secret_name="absent"))) as secrets,
        pytest.raises(ServiceError, match="there is no AWS secret 'absent'"),
    ):
        secrets.get("A")


def test_the_name_to_create_is_told(aws: str) -> None:
    """With its prefix."""
    with (
        closing(AwsSecretsManager(AwsSecretsManagerOptions(prefix="shop/"))) as secrets,
        pytest.raises(SecretNotFoundError, match=r"no secret 'KEY'.*called 'shop/KEY'"),
    ):
        secrets.get("KEY")
