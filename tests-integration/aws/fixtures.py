"""Fixtures that give an account of AWS; `conftest.py` takes them over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient

    from aws.account import Account
    from aws.emulator import Emulator
    from aws.stores import Stores


@pytest.fixture(scope="session")
def aws_emulator(engine: DockerClient) -> Iterator[Emulator]:
    """Start an emulator, once for each process of the tests."""
    from aws.emulator import Emulator

    emulator = Emulator(engine)
    yield emulator
    emulator.close()


@pytest.fixture
def aws(aws_emulator: Emulator) -> Iterator[Emulator]:
    """Return an emulated account of AWS with nothing in it, whose jobs are real containers."""
    # Unit tests that call moto's `mock_aws` in this process empty the account behind the emulator's back.
    aws_emulator.reset()
    yield aws_emulator
    aws_emulator.reset()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Stores]:
    """Start a server of stores, once for each process of the tests."""
    from aws.stores import Stores

    stores = Stores()
    yield stores
    stores.close()


@pytest.fixture
def stores(s3_server: Stores, monkeypatch: pytest.MonkeyPatch) -> Stores:
    """Return the stores of an account, which this process and its children find; for what needs no jobs and no engine."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture
def account(
    aws: Emulator, engine: DockerClient, magnus_image: str, monkeypatch: pytest.MonkeyPatch
) -> Account:
    """Return an account with nothing in it but an empty bucket, whose credentials this process and its children find."""
    from aws.account import Account

    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    return Account(aws, engine, magnus_image)
