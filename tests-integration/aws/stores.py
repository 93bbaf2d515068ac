"""The stores of an account of AWS without its jobs: moto in this process, and no Docker engine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3

from aws.server import Server
from aws.set_up import CREDENTIALS, REGION, SetUp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def store_blocks(endpoint: str, bucket: str, **secrets: Any) -> dict[str, Any]:
    """Return the blocks of a configuration whose stores are in a bucket, and whose secrets are in the account."""
    place = {"region": REGION, "endpoint_url": endpoint}
    return {
        "run_log_store": {"type": "s3", "config": {"bucket": bucket, "prefix": "runs", **place}},
        "catalog": {"type": "s3", "config": {"bucket": bucket, "prefix": "catalog", **place}},
        "secrets": {"type": "aws-secrets-manager", "config": {**place, **secrets}},
    }


def secrets_of(account: SetUp, file: Path) -> str:
    """Return the name of a new secret that holds what a dotenv file does."""
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if "=" in line]
    return account.secret(json.dumps(dict(line.split("=", 1) for line in lines)))


class Stores(SetUp):
    """Buckets and secrets; starts with the constructor."""

    def __init__(self) -> None:
        """Serve them."""
        super().__init__(self._client_of)
        self._server = Server(lambda application: application)
        self.endpoint = f"http://127.0.0.1:{self._server.port}"
        """The URL of the server."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process needs to talk to the server."""
        return CREDENTIALS | {
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def blocks(self, secrets: Path | None = None) -> dict[str, Any]:
        """Return the blocks of a configuration with a new bucket, and with secrets as in a dotenv file."""
        secret = {} if secrets is None else {"secret_name": secrets_of(self, secrets)}
        return store_blocks(self.endpoint, self.bucket(), **secret)

    def close(self) -> None:
        """End the server."""
        self._server.close()

    def _client_of(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )
