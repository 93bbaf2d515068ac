"""What AWS refuses, as errors that a person can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from magnus.errors import ServiceError

_NO_CREDENTIALS = "no credentials of AWS were found; set AWS_PROFILE, or give the machine or the job a role"
_REFUSED_CREDENTIALS = "AWS does not accept the credentials; renew them, or choose others by AWS_PROFILE"
_NO_REGION = "no region is known; set the option 'region', or the variable AWS_REGION"

_BY_EXCEPTION = {
    "NoCredentialsError": _NO_CREDENTIALS,
    "PartialCredentialsError": "the credentials of AWS are incomplete; set all of them, or AWS_PROFILE",
    "CredentialRetrievalError": "the credentials of AWS could not be fetched; renew them",
    "ProfileNotFound": "there is no such profile of AWS; look at AWS_PROFILE and ~/.aws/config",
    "NoRegionError": _NO_REGION,
    "InvalidRegionError": "the region is none; look at the option 'region'",
}
_UNREACHABLE = frozenset(
    {
        "ConnectTimeoutError",
        "ConnectionClosedError",
        "EndpointConnectionError",
        "HTTPClientError",
        "IncompleteReadError",
        "ProxyConnectionError",
        "ReadTimeoutError",
        "ResponseStreamingError",
        "SSLError",
    }
)
_CREDENTIAL_CODES = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_DENIED_CODES = frozenset({"403", "AccessDenied", "AccessDeniedException", "AllAccessDisabled", "Forbidden"})
_THROTTLED_CODES = frozenset(
    {
        "503",
        "RequestLimitExceeded",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_ELSEWHERE_CODES = frozenset({"301", "AuthorizationHeaderMalformed", "PermanentRedirect"})
_SERVER_ERRORS = 500


class Refusal(NamedTuple):
    """What the service answered.

    Attributes:
        code: Its name for the error, or the number of the answer.
        message: Its own words.
        action: What must be allowed for what was asked.
        status: The number of the answer.
    """

    code: str
    message: str
    action: str
    status: int


def code_of(error: Any) -> str:
    """Return the name, or the number, by which AWS calls a `ClientError` of boto3."""
    return str(error.response.get("Error", {}).get("Code", ""))


def refused(what: str, resource: str, refusal: Refusal, error: type[ServiceError]) -> ServiceError:
    """Return the error for an answer.

    Args:
        what: What was wanted, as in `the s3 catalog could not <what>`.
        resource: What permissions are given on.
        refusal: The answer.
        error: The class of the result.
    """
    code, message, action, status = refusal
    if code in _CREDENTIAL_CODES:
        # Without its words, which may quote a key.
        return error(f"{what}: {_REFUSED_CREDENTIALS} ({code})")
    if code in _DENIED_CODES:
        return error(f"{what}: access denied; allow {action} on {resource}")
    if code == "NoSuchBucket":
        return error(f"{what}: there is no such bucket; create it, or set the option 'bucket'")
    if code in _ELSEWHERE_CODES:
        return error(f"{what}: the bucket is in another region; set the option 'region'")
    if code in _THROTTLED_CODES:
        return error(f"{what}: too many requests at once ({code}); try again later", retriable=True)
    return error(f"{what}: {code}: {message}", retriable=status >= _SERVER_ERRORS)


def not_answered(what: str, address: str, name: str, text: str, error: type[ServiceError]) -> ServiceError:
    """Return the error for a request that got no answer.

    Args:
        what: As for `refused`.
        address: Where the request was sent.
        name: The class of boto3's exception.
        text: Its words.
        error: The class of the result.
    """
    if name in _UNREACHABLE:
        return error(
            f"{what}: {address} cannot be reached; check the network and the option 'endpoint_url'",
            retriable=True,
        )
    return error(f"{what}: {_BY_EXCEPTION.get(name, text)}")
