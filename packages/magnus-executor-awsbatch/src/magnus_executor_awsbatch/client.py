"""How AWS is called, and what its errors mean here; the only module that imports the vendor's library."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
)

from magnus.errors import ConfigurationError, ServiceError
from magnus_executor_awsbatch.errors import ExistsError, MissingError, ThrottledError, UnansweredError

if TYPE_CHECKING:
    from collections.abc import Iterator

_THROTTLED = frozenset(
    {"TooManyRequestsException", "Throttling", "ThrottlingException", "RequestLimitExceeded", "SlowDown"}
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_EXPIRED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
    }
)
_SERVER_ERROR = 500
_SECONDS_TO_CONNECT = 10
_SECONDS_TO_READ = 60


def connect(service: str, region: str, endpoint_url: str) -> Any:
    """Return the vendor's client of a service; credentials come from its own chain.

    Raises:
        ConfigurationError: No region is known.
    """
    # What is submitted twice runs twice: calls to Batch are repeated by us, who know how to look first.
    attempts = 1 if service == "batch" else 5
    config = Config(
        connect_timeout=_SECONDS_TO_CONNECT,
        read_timeout=_SECONDS_TO_READ,
        retries={"mode": "standard", "total_max_attempts": attempts},
        user_agent_extra="magnus",
    )
    session = boto3.session.Session()
    factory: Any = session.client  # its types know each service by a literal name
    # boto3 itself does not look at the variable that the other clients of AWS, and its services, go by.
    region = region or session.region_name or os.environ.get("AWS_REGION", "")
    with translated(service):
        return factory(service, region_name=region or None, endpoint_url=endpoint_url or None, config=config)


@contextmanager
def translated(call: str) -> Iterator[None]:
    """Turn the vendor's errors into those of this package; none of them holds a credential."""
    try:
        yield
    except NoRegionError as error:
        message = "no AWS region is known: set `region` in the configuration, or the variable AWS_REGION"
        raise ConfigurationError(message) from error
    except NoCredentialsError as error:
        message = (
            f"{call}: no AWS credentials were found; sign in (`aws configure`), or give this place a role"
        )
        raise ServiceError(message) from error
    except ParamValidationError as error:
        raise ServiceError(f"{call} would refuse the request: {error}") from error
    except ClientError as error:
        raise _refused(call, error) from error
    except (EndpointConnectionError, ConnectTimeoutError) as error:
        raise ServiceError(f"{call}: AWS cannot be reached: {error}", retriable=True) from error
    except BotoCoreError as error:  # the connection broke, or the answer did not come in time
        raise UnansweredError(f"{call}: no answer came: {error}") from error


def _refused(call: str, error: ClientError) -> ServiceError:
    said = error.response.get("Error", {})
    code, text = said.get("Code", ""), said.get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _THROTTLED:
        return ThrottledError(f"{call}: there are too many calls ({code})")
    if code in ("PreconditionFailed", "ConditionalRequestConflict"):
        return ExistsError(f"{call}: it is there already")
    if code in ("NoSuchKey", "ResourceNotFoundException"):
        return MissingError(f"{call}: {text or 'it is not there'}")
    if code in _DENIED:
        return ServiceError(
            f"{call}: access is denied ({text}); allow it to the identity that magnus runs as"
        )
    if code in _EXPIRED:
        return ServiceError(
            f"{call}: the AWS credentials are not valid any more, or never were ({code}); sign in again"
        )
    if status >= _SERVER_ERROR:
        return UnansweredError(f"{call}: AWS answered with an error of its own ({code or status}): {text}")
    return ServiceError(f"{call}: {text or code}")
