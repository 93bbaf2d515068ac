"""An account of AWS on this machine: moto in this process, whose Batch runs jobs on the Docker engine."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from fake_batch.containers import DEFAULT_LOG_GROUP
from moto.moto_api._internal.models import moto_api_backend

from aws import set_up
from aws.batch_corrections.install import install
from aws.batch_corrections.scheduler import Scheduler
from aws.batch_hooks import BatchHooks
from aws.server import Server
from aws.set_up import CREDENTIALS, SetUp
from aws.traffic import Traffic

if TYPE_CHECKING:
    from collections import Counter

    from docker import DockerClient

REGION = set_up.REGION


class Emulator(SetUp):
    """Starts with the constructor, and leaves nothing behind after `close`."""

    def __init__(self, engine: DockerClient, *, slots: int = 4, kill_after_seconds: float = 3) -> None:
        """Run jobs on *engine*, at most *slots* at a time; *kill_after_seconds* pass between SIGTERM and SIGKILL."""
        super().__init__(self.client)
        self.traffic = Traffic()
        """Counts calls, and spoils them."""
        self._clients: dict[str, Any] = {}
        self._stack = ExitStack()
        server = Server(self.traffic.wrap)
        self._stack.callback(server.close)
        self.endpoint = f"http://127.0.0.1:{server.port}"
        """The URL of the server, here and in a container of a job."""
        self.environment = CREDENTIALS | {
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
        }
        """What a process needs to talk to the server. Containers of jobs get it anyway, as they would get a role."""
        patch = self._stack.enter_context(pytest.MonkeyPatch.context())
        # Step Functions in moto calls the server by this port.
        patch.setenv("MOTO_PORT", str(server.port))
        patch.setenv("MOTO_DOCKER_NETWORK_MODE", "host")
        scheduler = Scheduler(
            engine, platform_environment=self.environment, slots=slots, kill_after_seconds=kill_after_seconds
        )
        self._stack.callback(scheduler.close)
        install(patch, scheduler)
        self.batch = BatchHooks(scheduler)
        """What no client can do."""

    @property
    def calls(self) -> Counter[str]:
        """How often each operation was called, such as `calls["SubmitJob"]`."""
        return self.traffic.calls

    def client(self, service: str, **options: Any) -> Any:
        """Return a real client of boto3; the one without *options* is shared."""
        if options:
            return self._new_client(service, **options)
        if service not in self._clients:
            self._clients[service] = self._new_client(service)
        return self._clients[service]

    def reset(self) -> None:
        """End all jobs, empty the account, count calls from zero, and spoil nothing any more."""
        moto_api_backend.reset()
        self.traffic.reset()
        self.batch.reset()
        self.forget()

    def close(self) -> None:
        """End all jobs and the server, and empty the account."""
        self.reset()
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        self._stack.close()

    def log(self, job_id: str) -> list[str]:
        """Return the lines that the last attempt of a job has printed so far."""
        job = self.client("batch").describe_jobs(jobs=[job_id])["jobs"][0]
        name = job["container"].get("logStreamName")
        if not name:
            return []
        group = (
            job["container"]["logConfiguration"].get("options", {}).get("awslogs-group", DEFAULT_LOG_GROUP)
        )
        pages = self.client("logs").get_paginator("filter_log_events")
        return [
            event["message"]
            for page in pages.paginate(logGroupName=group, logStreamNames=[name])
            for event in page["events"]
        ]

    def _new_client(self, service: str, **options: Any) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            **options,
        )
