"""What the executor `aws-step-functions` can be told."""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations of options
from dataclasses import dataclass, field
from typing import Literal

from magnus.domain.sizes import in_mib
from magnus.ports.executor import CommonOptions
from magnus_executor_stepfunctions.limits import MOST_JOB_ATTEMPTS

EXECUTOR = "aws-step-functions"
"""What configurations call the executor."""

MOST_RECLAIMS = MOST_JOB_ATTEMPTS - 1
MOST_TAGS = 50
_LONGEST_TAG_KEY = 128
_LONGEST_TAG = 256
_PLACE = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.*()-]+)*/?")


@dataclass(frozen=True, slots=True)
class StepFunctionsOptions(CommonOptions):
    """Options of `aws-step-functions`; a node's `executor_config` may override those that concern its own jobs.

    Attributes:
        enable_parallel: Whether branches and map items run at the same time; here they do unless this is false.
        job_queue: The queue of AWS Batch that jobs go to, by name or ARN.
        job_definition: Their job definition, by name, name:revision or ARN. Its image holds magnus, and the pipeline's
            files in its working directory.
        items: Where `fan` puts what maps iterate over, as `s3://bucket/prefix`; needed for pipelines with maps.
        region: What jobs are told as their region; by default what they find themselves.
        endpoint_url: An address that answers in place of AWS, for emulators; jobs are told.
        environment: Variables of the jobs. They stand in the state machine: no place for secrets.
        tags: Of the jobs.
        platform: What the queue's jobs run on, `EC2` or `FARGATE`; decides which `resources` can be had.
        reclaims: How often Batch itself starts a job again whose host was taken away.
        cpu: Processors, where a step's `resources` ask for none; by default what the job definition says.
        memory: Likewise memory: text with a unit (`512MiB`, `2GiB`), or a whole number of MiB.
        gpu: Likewise whole graphics processors.
        shm: Shared memory is part of the job definition: refused here.
    """

    enable_parallel: bool = True
    job_queue: str = ""
    job_definition: str = ""
    items: str = ""
    region: str = ""
    endpoint_url: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    platform: Literal["EC2", "FARGATE"] = "EC2"
    reclaims: int = 3
    cpu: float | None = None
    memory: int | str | None = None
    gpu: int = 0
    shm: int | str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for refusal in (self._refuse_jobs(), self._refuse_numbers(), self._refuse_names()):
            if refusal:
                raise ValueError(refusal)
        if self.memory is not None:
            try:
                in_mib(self.memory)
            except ValueError as error:
                message = f"memory {error}"
                raise ValueError(message) from None

    def _refuse_jobs(self) -> str:
        if not self.job_queue:
            return "job_queue is missing: name the queue of AWS Batch that jobs go to"
        if not self.job_definition:
            return (
                "job_definition is missing: name the job definition of AWS Batch, whose image holds magnus and the "
                "pipeline's files"
            )
        if self.items and not _PLACE.fullmatch(self.items):
            return (
                "items is an address like s3://bucket/prefix, of letters, digits and the signs - _ . ! * ( ), "
                f"not {self.items!r}"
            )
        return ""

    def _refuse_numbers(self) -> str:
        if not 0 <= self.reclaims <= MOST_RECLAIMS:
            most = f"{MOST_RECLAIMS}, as Batch makes {MOST_JOB_ATTEMPTS} attempts at most"
            return f"reclaims is from 0 to {most}; not {self.reclaims}"
        if self.cpu is not None and self.cpu <= 0:
            return f"cpu is a number above 0, not {self.cpu:g}"
        if self.gpu < 0:
            return f"gpu is a whole number, at least 0, not {self.gpu}"
        if self.shm is not None:
            return "shm is part of the job definition; set it there, and remove it here"
        return ""

    def _refuse_names(self) -> str:
        if wrong := [name for name in self.environment if name.startswith("AWS_BATCH")]:
            return f"environment: names that begin with AWS_BATCH belong to Batch itself, like {wrong[0]!r}"
        if len(self.tags) > MOST_TAGS:
            return f"tags: a job has at most {MOST_TAGS}, not {len(self.tags)}"
        for key, value in self.tags.items():
            if not 0 < len(key) <= _LONGEST_TAG_KEY or len(value) > _LONGEST_TAG:
                return f"tags: a key has from 1 to {_LONGEST_TAG_KEY} characters and a value up to {_LONGEST_TAG}: {key!r}"
            if key.lower().startswith("aws:"):
                return f"tags: keys that begin with 'aws:' belong to AWS itself, like {key!r}"
            if key.endswith(".$"):
                return f"tags: a key that ends with '.$' means a path to Step Functions, like {key!r}"
        return ""
