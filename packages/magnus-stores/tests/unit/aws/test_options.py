from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys

import pytest

from magnus.domain.capabilities import Reach
from magnus_stores.aws.options import S3Options
from magnus_stores.catalog.s3 import S3Catalog, S3CatalogOptions
from magnus_stores.run_log.s3 import S3RunLogOptions, S3RunLogStore
from magnus_stores.secrets.aws_secrets_manager import AwsSecretsManager, AwsSecretsManagerOptions

MODULES = (
    "magnus_stores.run_log.s3",
    "magnus_stores.catalog.s3",
    "magnus_stores.secrets.aws_secrets_manager",
)


@pytest.mark.parametrize(("prefix", "base"), [("", ""), ("/", ""), ("a", "a/"), ("/a/b/", "a/b/")])
def test_a_prefix_is_a_folder(prefix: str, base: str) -> None:
    """With or without slashes at its ends."""
    assert S3Options(bucket="b", prefix=prefix).base == base


@pytest.mark.parametrize("bucket", ["", "s3://bucket", "bucket/folder"])
def test_what_is_no_bucket_is_refused(bucket: str) -> None:
    """The message says what would do."""
    with pytest.raises(ValueError, match="bare name of a bucket"):
        S3Options(bucket=bucket)


def test_an_access_point_is_a_bucket() -> None:
    """By its ARN, which holds a slash."""
    S3Options(bucket="arn:aws:s3:eu-west-1:123456789012:accesspoint/mine")


def test_a_prefix_leaves_room_for_names() -> None:
    """A key takes 1,024 bytes, not characters."""
    S3Options(bucket="b", prefix="ä" * 256)
    with pytest.raises(ValueError, match="at most 512 bytes"):
        S3Options(bucket="b", prefix="ä" * 257)


@pytest.mark.parametrize("address", ["", "localhost:9000", "ftp://h", "https://", "https://user:canary@h"])
def test_what_is_no_plain_address_is_refused_without_being_shown(address: str) -> None:
    """There may be a password in it."""
    for make in (
        lambda: S3Options(bucket="b", endpoint_url=address),
        lambda: AwsSecretsManagerOptions(endpoint_url=address),
    ):
        with pytest.raises(ValueError, match="endpoint_url is an address") as caught:
            make()
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"secret_name": "a", "prefix": "b"}, "leave one out"),
        ({"version_id": "a"}, "secret_name"),
        ({"secret_name": ""}, "secret_name"),
    ],
)
def test_options_that_exclude_each_other_are_refused(options: dict[str, str], reason: str) -> None:
    """Rather than one of them being passed over."""
    with pytest.raises(ValueError, match=reason):
        AwsSecretsManagerOptions(**options)


def test_capabilities_name_what_must_be_allowed() -> None:
    """In words that a policy can be written from, and as far as the network."""
    for found in (
        S3RunLogStore.capabilities(S3RunLogOptions(bucket="mine", prefix="runs")),
        S3Catalog.capabilities(S3CatalogOptions(bucket="mine", prefix="runs")),
    ):
        assert (found.reach, found.concurrent_writers, found.persistent) == (Reach.NETWORK, True, True)
        (needed,) = found.credentials
        assert "s3:GetObject" in needed
        assert "s3://mine/runs/*" in needed
        assert "s3:ListBucket on the bucket mine" in needed
    for options, resource in (({"secret_name": "app"}, "app"), ({"prefix": "app/"}, "app/*")):
        found = AwsSecretsManager.capabilities(AwsSecretsManagerOptions(**options))
        assert found.reach is Reach.NETWORK
        assert found.credentials[0].endswith(f"secretsmanager:GetSecretValue on {resource}")


def test_boto3_is_not_imported_before_something_is_asked_of_aws() -> None:
    """Neither by making a store nor by its capabilities: `magnus check` does no more."""
    code = (
        "import sys; from magnus_stores.run_log.s3 import *; from magnus_stores.catalog.s3 import *;"
        "from magnus_stores.secrets.aws_secrets_manager import *;"
        "made = [S3RunLogStore(S3RunLogOptions(bucket='b')), S3Catalog(S3CatalogOptions(bucket='b')), AwsSecretsManager()];"
        "[(one.capabilities(one.options), one.close()) for one in made];"
        "sys.exit(bool({'boto3', 'botocore'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("module", MODULES)
def test_a_missing_boto3_is_found_out_when_the_adapter_is_chosen(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The configuration is refused before anything starts."""
    find_spec = importlib.util.find_spec
    options = importlib.import_module("magnus_stores.aws.options")
    monkeypatch.setattr(options, "find_spec", lambda name: None if name == "boto3" else find_spec(name))
    monkeypatch.delitem(sys.modules, module)
    with pytest.raises(ModuleNotFoundError, match="boto3"):
        importlib.import_module(module)
