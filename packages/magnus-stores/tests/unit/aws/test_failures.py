from __future__ import annotations

import logging
import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from magnus.domain.records import Record, RecordKind
from magnus.errors import CatalogError, MagnusError, ServiceError
from magnus_stores.aws import client as aws_client
from magnus_stores.aws.failures import Refusal, not_answered, refused
from magnus_stores.catalog.s3 import S3Catalog, S3CatalogOptions
from magnus_stores.run_log.s3 import S3RunLogOptions, S3RunLogStore
from magnus_stores.secrets.aws_secrets_manager import AwsSecretsManager, AwsSecretsManagerOptions

if TYPE_CHECKING:
    from pathlib import Path

HEAD = Record(RecordKind.RUN, "", "{}")


def refusal_for(code: str, status: int = 400) -> ServiceError:
    """Return the error for an answer of AWS."""
    return refused(
        "it could not read", "s3://b/*", Refusal(code, "its words", "s3:GetObject", status), CatalogError
    )


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("AccessDenied", "access denied; allow s3:GetObject on s3://b/*"),
        ("403", "allow s3:GetObject on s3://b/*"),
        ("NoSuchBucket", "there is no such bucket; create it"),
        ("PermanentRedirect", "another region; set the option 'region'"),
        ("SomethingElse", "it could not read: SomethingElse: its words"),
    ],
)
def test_a_refusal_says_what_to_do(code: str, said: str) -> None:
    """As an error of the kind that was asked for, which is not worth another try."""
    error = refusal_for(code)
    assert isinstance(error, CatalogError)
    assert said in str(error)
    assert not error.retriable


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"])
def test_refused_credentials_are_not_described_in_the_words_of_aws(code: str) -> None:
    """They may quote the key, or the request that was signed with it."""
    assert "its words" not in str(refusal_for(code))
    assert "renew them" in str(refusal_for(code))


@pytest.mark.parametrize(
    ("code", "status"), [("SlowDown", 503), ("ThrottlingException", 400), ("Other", 500)]
)
def test_what_will_pass_is_worth_another_try(code: str, status: int) -> None:
    """Too many requests, or a fault within AWS."""
    assert refusal_for(code, status).retriable


def test_a_failure_without_an_answer_says_what_to_do() -> None:
    """By the kind of boto3's exception; what is not known is told in its words."""
    for name, said in (
        ("NoRegionError", "AWS_REGION"),
        ("ProfileNotFound", "AWS_PROFILE"),
        ("X", "its words"),
    ):
        error = not_answered("it could not read", "https://h", name, "its words", ServiceError)
        assert said in str(error)
        assert not error.retriable


def test_missing_credentials_are_one_error(
    bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It says where they are expected, and not as options."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))
    with (
        closing(S3RunLogStore(S3RunLogOptions(bucket=bucket))) as store,
        pytest.raises(ServiceError, match="no credentials of AWS were found; set AWS_PROFILE"),
    ):
        list(store.list_runs())


def test_a_missing_region_is_one_error(aws: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It names the option and the variable."""
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ServiceError, match="set the option 'region', or the variable AWS_REGION"):
        AwsSecretsManager().get("NAME")


def test_a_missing_bucket_is_named(aws: str, tmp_path: Path) -> None:
    """Whichever store asks."""
    (tmp_path / "file").write_bytes(b"x")
    with (
        closing(S3RunLogStore(S3RunLogOptions(bucket="absent-bucket"))) as store,
        closing(S3Catalog(S3CatalogOptions(bucket="absent-bucket"))) as catalog,
    ):
        with pytest.raises(ServiceError, match=r"s3://absent-bucket/.*no such bucket"):
            store.create_run("run", [HEAD])
        with pytest.raises(CatalogError, match=r"s3://absent-bucket/.*no such bucket"):
            catalog.put("run", tmp_path, ["file"])


def test_an_unreachable_server_is_named_and_worth_another_try(
    aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried several times before; here once, to save time."""
    monkeypatch.setattr(aws_client, "_ATTEMPTS", 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    with (
        closing(S3RunLogStore(S3RunLogOptions(bucket="b", endpoint_url=address))) as store,
        pytest.raises(ServiceError, match=f"{address} cannot be reached") as caught,
    ):
        list(store.list_runs())
    assert caught.value.retriable


def test_no_credential_and_no_secret_gets_into_a_message_or_a_debug_line(
    bucket: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in what is raised, with all its causes, nor in what boto3 writes when a task turns on all lines."""
    import boto3

    monkeypatch.setenv("AWS_SESSION_TOKEN", "canary-token")
    with closing(boto3.client("secretsmanager", region_name="us-east-1")) as aws_secrets:
        aws_secrets.create_secret(Name="debug", SecretString="canary-value")
    caplog.set_level(logging.DEBUG)
    with closing(S3RunLogStore(S3RunLogOptions(bucket=bucket))) as store:
        store.create_run("run", [HEAD])
    with closing(AwsSecretsManager()) as secrets:
        assert secrets.get("debug") == "canary-value"
    with closing(AwsSecretsManager(AwsSecretsManagerOptions(secret_name="debug"))) as secrets:
        with pytest.raises(MagnusError) as caught:
            secrets.get("NAME")
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
        assert "canary" not in str(caught.value)
    assert "canary" not in caplog.text
    assert "botocore" in caplog.text  # or nothing would have been found out
