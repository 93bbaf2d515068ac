"""Options that the back ends on AWS have in common; nothing here needs boto3."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from urllib.parse import urlsplit

_PREFIX_BYTES = 512
"""Leaves enough of the 1,024 bytes of a key for a run's id and a name."""


@dataclass(frozen=True, slots=True)
class S3Options:
    """Where in S3 something is kept. Credentials are found by boto3 itself, and never here.

    Attributes:
        bucket: The name of the bucket, or the ARN of an access point.
        prefix: The folder in the bucket; by default its top.
        region: The region of the bucket; by default what the environment or the profile says.
        endpoint_url: Another address than that of AWS, for what speaks the same protocol.
    """

    bucket: str
    prefix: str = ""
    region: str | None = None
    endpoint_url: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        check_bucket(self.bucket)
        check_endpoint(self.endpoint_url)
        if len(self.prefix.encode()) > _PREFIX_BYTES:
            message = f"prefix takes at most {_PREFIX_BYTES} bytes, because a key takes at most 1024"
            raise ValueError(message)

    @property
    def base(self) -> str:
        """What every key begins with: nothing, or the prefix and one slash."""
        folder = self.prefix.strip("/")
        return f"{folder}/" if folder else ""


def require_boto3() -> None:
    """Find out that boto3 is missing when the configuration is read, without importing it: that takes its time.

    Raises:
        ModuleNotFoundError: It is missing.
    """
    if find_spec("boto3") is None:
        raise ModuleNotFoundError("No module named 'boto3'", name="boto3")


def objects_must_be_allowed(options: S3Options) -> str:
    """Say what credentials must allow for objects to be read, written, listed and removed."""
    return (
        f"credentials of AWS that allow s3:GetObject, s3:PutObject and s3:DeleteObject on "
        f"s3://{options.bucket}/{options.base}* and s3:ListBucket on the bucket {options.bucket}"
    )


def check_bucket(bucket: str) -> None:
    """Refuse what is no bucket.

    Raises:
        ValueError: It says what would do.
    """
    if not bucket or ("/" in bucket and not bucket.startswith("arn:")):
        message = (
            f"bucket is the bare name of a bucket, not {bucket!r}; what comes behind it goes into 'prefix'"
        )
        raise ValueError(message)


def check_endpoint(endpoint_url: str | None) -> None:
    """Refuse what is no address, and one with credentials in it.

    Raises:
        ValueError: It says what would do, and does not repeat the address.
    """
    if endpoint_url is None:
        return
    parts = urlsplit(endpoint_url)
    if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
        message = (
            "endpoint_url is an address such as https://s3.example.org, without a user or password in it"
        )
        raise ValueError(message)
