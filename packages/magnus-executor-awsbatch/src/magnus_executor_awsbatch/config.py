"""What the executor `local-aws-batch` can be told."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations of options
from dataclasses import dataclass, field
from typing import Literal

from magnus.domain.sizes import in_mib
from magnus.ports.executor import CommonOptions
from magnus_executor_awsbatch.failures import DEFAULT_BUDGETS, FailureClass

EXECUTOR = "local-aws-batch"
"""What configurations call the executor."""

BATCH_LOG_GROUP = "/aws/batch/job"
"""Where Batch sends what jobs print, unless their definition says otherwise."""

LARGEST_POLL_SECONDS = 3600.0

MOST_RECLAIMS = 9
"""Of the ten attempts that Batch makes at most, those after the first."""

MOST_TAGS = 48
"""Of the 50 that a job may have; two are magnus's own."""

_LONGEST_TAG_KEY = 128
_LONGEST_TAG = 256


@dataclass(frozen=True, slots=True)
class AwsBatchOptions(CommonOptions):
    """Options of `local-aws-batch`; a node's `executor_config` may override those that concern its own jobs.

    Attributes:
        enable_parallel: Whether branches and map items run at the same time; here they do unless this is false.
        job_queue: The queue, by name or ARN; or several: a job whose host was reclaimed too often goes on to the next
            (Spot first, then on demand).
        job_definition: The job definition, by name, name:revision or ARN; its image holds magnus. Empty to have one
            registered for `docker_image`.
        docker_image: The image that steps run in, where no job definition is given.
        job_role: The ARN of the role that steps run as, for a definition that is registered.
        execution_role: Likewise the role that fetches the image and sends the logs (needed on Fargate).
        platform: Likewise what jobs run on: `EC2` or `FARGATE`.
        assign_public_ip: Likewise whether jobs on Fargate have a public address: in a public subnet they reach AWS by that.
        log_group: The CloudWatch log group that the definition's jobs write to.
        region: Of Batch, its logs, and the handover; by default the one that boto3 finds.
        endpoint_url: An address that answers in place of AWS, for emulators.
        environment: Variables of the job. Anybody who may describe jobs sees them: no place for secrets.
        tags: Of the jobs, besides magnus's own.
        poll_interval: Seconds between two looks at the jobs; more while AWS says that there are too many.
        on_interrupt: What becomes of the jobs on Ctrl-C or SIGTERM: `cancel` ends them, `detach` leaves them for
            `magnus runs attach`.
        handover: Where jobs find what to do, as `s3://bucket/prefix`; by default a place below the prefix of the run log,
            or else of the catalog. It holds credentials of the configuration while jobs run, and is empty afterwards.
        budgets: How often a job is tried again for what is no fault of its code, by cause: `host-reclaimed` (for each
            queue), `not-started`, `throttled`, `unschedulable`, `lost`.
        cpu: Processors, where a step's `resources` ask for none.
        memory: Likewise memory: text with a unit (`512MiB`, `2GiB`), or a whole number of MiB.
        gpu: Likewise whole graphics processors.
        shm: Likewise shared memory, written like *memory*; only for a definition that is registered.
    """

    enable_parallel: bool = True
    job_queue: str | tuple[str, ...] = ()
    job_definition: str = ""
    docker_image: str = ""
    job_role: str = ""
    execution_role: str = ""
    platform: Literal["EC2", "FARGATE"] = "EC2"
    assign_public_ip: bool = False
    log_group: str = BATCH_LOG_GROUP
    region: str = ""
    endpoint_url: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    poll_interval: float = 5.0
    on_interrupt: Literal["cancel", "detach"] = "cancel"
    handover: str = ""
    budgets: Mapping[FailureClass, int] = field(default_factory=dict)
    cpu: float = 1
    memory: int | str = "2GiB"
    gpu: int = 0
    shm: int | str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for refusal in (self._refuse_jobs(), self._refuse_numbers(), self._refuse_names()):
            if refusal:
                raise ValueError(refusal)
        for name in ("memory", "shm"):
            if (size := getattr(self, name)) is not None:
                _check_size(name, size)

    def _refuse_jobs(self) -> str:
        if not self.queues or not all(self.queues):
            return "job_queue is missing: name the queue that jobs go to, or a list of them"
        if bool(self.job_definition) == bool(self.docker_image):
            return (
                "name either job_definition, or docker_image to have a definition registered for it (an image made by "
                "`magnus build_docker`, in a registry that Batch can reach)"
            )
        own = [
            name for name in ("job_role", "execution_role", "assign_public_ip", "shm") if getattr(self, name)
        ]
        if self.job_definition and own:
            return (
                f"{', '.join(own)}: the definition '{self.job_definition}' says that itself; remove it here"
            )
        if self.platform == "FARGATE" and self.docker_image and not self.execution_role:
            return "execution_role is missing: on Fargate a role must fetch the image and send the logs"
        if self.assign_public_ip and self.platform != "FARGATE":
            return "assign_public_ip is for Fargate; on EC2 the subnets of the compute environment decide"
        if self.handover and not is_handover(self.handover):
            return f"handover is an address like s3://bucket/prefix, not {self.handover!r}"
        return ""

    def _refuse_numbers(self) -> str:
        if not 0 < self.poll_interval <= LARGEST_POLL_SECONDS:
            return f"poll_interval is a number of seconds, above 0 and up to {LARGEST_POLL_SECONDS:g}"
        if self.cpu <= 0:
            return f"cpu is a number above 0, not {self.cpu:g}"
        if self.gpu < 0:
            return f"gpu is a whole number, at least 0, not {self.gpu}"
        if wrong := [name for name, count in self.budgets.items() if count < 0]:
            return f"budgets: {wrong[0]} is a whole number, at least 0"
        if self.budget(FailureClass.HOST_RECLAIMED) > MOST_RECLAIMS:
            return f"budgets: host-reclaimed is at most {MOST_RECLAIMS}, as Batch makes no more attempts on a queue"
        return ""

    def _refuse_names(self) -> str:
        if wrong := [name for name in self.environment if name.startswith("AWS_BATCH")]:
            return f"environment: names that begin with AWS_BATCH belong to Batch itself, like {wrong[0]!r}"
        if len(self.tags) > MOST_TAGS:
            return f"tags: a job has at most {MOST_TAGS} besides magnus's own, not {len(self.tags)}"
        for key, value in self.tags.items():
            if not 0 < len(key) <= _LONGEST_TAG_KEY or len(value) > _LONGEST_TAG:
                return f"tags: a key has from 1 to {_LONGEST_TAG_KEY} characters and a value up to {_LONGEST_TAG}: {key!r}"
            if key.lower().startswith("aws:"):
                return f"tags: keys that begin with 'aws:' belong to AWS itself, like {key!r}"
        return ""

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues in the order in which they are tried."""
        return (self.job_queue,) if isinstance(self.job_queue, str) else self.job_queue

    def budget(self, failure: FailureClass) -> int:
        """Return how often a job is tried again for *failure*."""
        return self.budgets.get(failure, DEFAULT_BUDGETS[failure])


def is_handover(address: str) -> bool:
    """Whether *address* names a bucket of S3 and, perhaps, a prefix."""
    scheme, _, rest = address.partition("://")
    return scheme == "s3" and bool(rest.partition("/")[0])


def _check_size(name: str, size: int | str) -> None:
    try:
        in_mib(size)
    except ValueError as error:
        message = f"{name} {error}"
        raise ValueError(message) from None
