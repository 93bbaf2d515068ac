"""What lies in S3 while jobs run: their messages, and the intent to submit them, which is written first.

For each Batch job there are two objects. One holds the messages, one after another in places of equal size, so that the child
of an array finds its own by its index. The other is the intent: which jobs are behind which name. It is written under the
condition that there is none yet, and before the job is submitted; so of two processes one submits, and whoever comes later
knows under which names to look for what a killed one has submitted.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.errors import ServiceError
from magnus_executor_awsbatch.errors import ExistsError, MissingError
from magnus_executor_awsbatch.naming import run_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from magnus_executor_awsbatch.bucket import Bucket

_INTENT = ".intent.json"
_MESSAGES = ".jobs"
_ANSWER = ".answer"
_FORMAT = 1
_NUMBER_BYTES = 8
_HEADER_BYTES = 2 * _NUMBER_BYTES


class Member(NamedTuple):
    """One job of an intent, in the order of the array's children."""

    step_name: str
    attempt_number: int
    mark: str


class Intent(NamedTuple):
    """What was about to be submitted.

    Attributes:
        name: Of the Batch job.
        queue: It goes to.
        queue_index: Which of the queues that is, from 0.
        generation: How often its jobs were submitted before.
        owner: The process that traverses.
        written_at: Seconds since the epoch.
        members: Its jobs.
    """

    name: str
    queue: str
    queue_index: int
    generation: int
    owner: str
    written_at: float
    members: tuple[Member, ...]


class Handover:
    """The objects of one run."""

    def __init__(self, bucket: Bucket, run_id: str) -> None:
        """Work in *bucket*."""
        self._bucket = bucket
        self._folder = run_folder(run_id)

    def address(self, name: str) -> str:
        """Return what the job called *name* is told to look at."""
        return self._bucket.key_address(self._key(name, _MESSAGES))

    def lay_down(self, intent: Intent, messages: Sequence[bytes]) -> bool:
        """Write what a job is to be told, and that it is about to be submitted.

        Returns:
            Whether there was no such intent before.
        """
        size = max(len(message) for message in messages)
        header = size.to_bytes(_NUMBER_BYTES) + len(messages).to_bytes(_NUMBER_BYTES)
        body = header + b"".join(message.ljust(size, b"\0") for message in messages)
        try:
            self._bucket.put(self._key(intent.name, _MESSAGES), body, only_new=True)
        except ExistsError:
            if self._has_intent(intent.name):
                return False
            self._bucket.put(
                self._key(intent.name, _MESSAGES), body
            )  # whoever wrote it was killed before it meant it
        try:
            self._bucket.put(self._key(intent.name, _INTENT), _text(intent), only_new=True)
        except ExistsError:
            return False
        return True

    def replace(self, intent: Intent) -> None:
        """Write an intent in the place of that which has its name."""
        self._bucket.put(self._key(intent.name, _INTENT), _text(intent))

    def _has_intent(self, name: str) -> bool:
        """Whether somebody means to submit it: then the messages, whose marks that process knows, must stay as they are."""
        try:
            self._bucket.get(self._key(name, _INTENT))
        except MissingError:
            return False
        return True

    def intents(self) -> list[Intent]:
        """Return every intent of the run."""
        keys = [key for key in self._bucket.list(self._folder) if key.endswith(_INTENT)]
        return [_intent(json.loads(self._bucket.get(key))) for key in keys]

    def answer(self, name: str, index: int) -> bytes | None:
        """Return what the job has left in its mailbox; None if that is not there."""
        try:
            return self._bucket.get(self._key(name, f"{_ANSWER}.{index}"))
        except MissingError:
            return None

    def forget(self, names: Sequence[str], answers: Sequence[tuple[str, int]] = ()) -> None:
        """Remove all that belongs to the jobs called *names*."""
        keys = [self._key(name, end) for name in names for end in (_INTENT, _MESSAGES)]
        keys += [self._key(name, f"{_ANSWER}.{index}") for name, index in answers]
        self._bucket.delete(keys)

    def forget_all(self) -> None:
        """Remove all that belongs to the run."""
        self._bucket.delete(self._bucket.list(self._folder))

    def _key(self, name: str, end: str) -> str:
        return f"{self._folder}{name}{end}"


def _text(intent: Intent) -> bytes:
    return json.dumps({"format": _FORMAT, **intent._asdict()}).encode()


def _intent(told: Mapping[str, Any]) -> Intent:
    if told["format"] != _FORMAT:
        message = "the handover of the run was written by another version of magnus; attach with that one"
        raise ServiceError(message)
    members = tuple(Member(*member) for member in told["members"])
    return Intent(**{key: value for key, value in told.items() if key != "format"} | {"members": members})


class JobMailbox:
    """The mailbox of a job, from inside it."""

    def __init__(self, bucket: Bucket, key: str, environ: Mapping[str, str] = os.environ) -> None:
        """Read from *key* of *bucket*, as the job that *environ* describes."""
        self._bucket = bucket
        self._key = key
        self._environ = environ
        self._index = 0

    def read(self) -> bytes:
        """See the port."""
        header = self._bucket.get(self._key, 0, _HEADER_BYTES)
        size, count = (int.from_bytes(header[at : at + _NUMBER_BYTES]) for at in (0, _NUMBER_BYTES))
        self._index = array_index(self._environ, count)
        return self._bucket.get(self._key, _HEADER_BYTES + self._index * size, size)

    def answer(self, data: bytes) -> None:
        """See the port."""
        name = self._key.removesuffix(_MESSAGES)
        self._bucket.put(f"{name}{_ANSWER}.{self._index}", data)


def array_index(environ: Mapping[str, str], count: int) -> int:
    """Return which of *count* children this job is.

    Batch says it twice: in a variable of its own, and behind the colon in the job's id.

    Raises:
        ServiceError: It says it nowhere, or what it says cannot be.
    """
    if count == 1:
        return 0
    said = {
        environ.get("AWS_BATCH_JOB_ARRAY_INDEX", ""),
        environ.get("AWS_BATCH_JOB_ID", "").partition(":")[2],
    }
    said -= {""}
    if len(said) != 1 or not (text := said.pop()).isdigit() or int(text) >= count:
        message = (
            f"the job is one of {count} children of an array, and does not find out which: AWS_BATCH_JOB_ARRAY_INDEX and "
            "AWS_BATCH_JOB_ID do not say it"
        )
        raise ServiceError(message)
    return int(text)
