"""How S3 is called, and what its errors mean here; the only module that imports the vendor's library."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from magnus.errors import ConfigurationError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERVER_ERROR = 500
_BUSY = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded"})


def put_object(bucket: str, key: str, text: str, region: str = "", endpoint_url: str = "") -> None:
    """Write an object.

    Raises:
        ConfigurationError: No region is known.
        ServiceError: It cannot be written.
    """
    with _translated(f"PutObject on s3://{bucket}/{key}"):
        client = _s3(region, endpoint_url)
        client.put_object(Bucket=bucket, Key=key, Body=text.encode(), ContentType="application/json")


def get_object(bucket: str, key: str) -> str:
    """Read an object, by what the environment says of region, address and credentials.

    Raises:
        ConfigurationError: No region is known.
        ServiceError: It cannot be read.
    """
    with _translated(f"GetObject on s3://{bucket}/{key}"):
        body: bytes = _s3("", "").get_object(Bucket=bucket, Key=key)["Body"].read()
        return body.decode()


def _s3(region: str, endpoint_url: str) -> Any:
    config = Config(retries={"mode": "standard", "total_max_attempts": 5}, user_agent_extra="magnus")
    session = boto3.session.Session()
    # boto3 itself does not look at the variable that the other clients of AWS, and its services, go by.
    region = region or session.region_name or os.environ.get("AWS_REGION", "")
    return session.client("s3", region_name=region or None, endpoint_url=endpoint_url or None, config=config)


@contextmanager
def _translated(call: str) -> Iterator[None]:
    """Turn the vendor's errors into those of magnus; none of them holds a credential."""
    try:
        yield
    except NoRegionError as error:
        raise ConfigurationError(
            "no AWS region is known: set `region` in the configuration, or the variable AWS_REGION"
        ) from error
    except NoCredentialsError as error:
        raise ServiceError(
            f"{call}: no AWS credentials were found; sign in (`aws configure`), or give this place a role"
        ) from error
    except ClientError as error:
        said = error.response.get("Error", {})
        code, text = said.get("Code", ""), said.get("Message", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        message = f"{call}: {text or code}"
        if code == "AccessDenied":
            message += "; allow it to the identity that magnus runs as"
        raise ServiceError(message, retriable=code in _BUSY or status >= _SERVER_ERROR) from error
    except BotoCoreError as error:
        raise ServiceError(f"{call}: {error}", retriable=True) from error
