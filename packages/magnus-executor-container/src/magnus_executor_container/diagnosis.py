"""Why a step's container did not do its work: one sentence with the cause, and what to do."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING, NamedTuple

from magnus_executor_container.errors import EngineRefusedError, ImageMissingError

if TYPE_CHECKING:
    from magnus_executor_container.client import ContainerEnd, Image
    from magnus_executor_container.container_spec import ContainerSpec

_BUILD = "build one that has it by `magnus build_docker`, or install magnus-core[container] in it"
_NOT_EXECUTED = re.compile(r"exec (\S+) failed: No such file or directory")
"""What the container's first process says when it cannot start the program."""

_BY_SIGNAL = 128
_KILLED = _BY_SIGNAL + signal.SIGKILL
_USAGE = 2


class Cause(NamedTuple):
    """What went wrong.

    Attributes:
        message: One sentence, and the remedy.
        failure: The name that `retry_on` may know it by; empty for what no attempt would mend.
    """

    message: str
    failure: str = ""


def not_created(spec: ContainerSpec, error: EngineRefusedError, pull: str) -> Cause:
    """Explain why the engine would not create or start a container."""
    if isinstance(error, ImageMissingError):
        return missing_image(spec.image, error.reason if error.reason != str(error) else "", pull)
    reason = error.reason
    program = spec.entrypoint[0] if spec.entrypoint else spec.command[0]
    if "exec format error" in reason:
        return Cause(
            f"the image '{spec.image}' is for another kind of processor; {_other_platform(spec.image)}"
        )
    if "executable file not found" in reason or "no such file or directory" in reason:
        what = f"there is no program '{program}' in the image '{spec.image}'"
        if program == "magnus":
            return Cause(f"magnus is missing in the image '{spec.image}'; {_BUILD}")
        return Cause(f"{what}, or its entry point names none; change the image, or set `entrypoint`")
    if "could not select device driver" in reason:
        return Cause(
            f"the engine has no driver for graphics processors ({reason}); install one (for NVIDIA its container "
            "toolkit), or ask for no gpu"
        )
    return Cause(f"the engine refused the container: {reason}", "submission")


def missing_image(name: str, reason: str, pull: str) -> Cause:
    """Explain that an image is not there."""
    why = f" ({reason})" if reason else ""
    if pull == "never":
        return Cause(
            f"the image '{name}' is not on this machine, and `pull: never` forbids to fetch it; {_made(name)}"
        )
    return Cause(f"the image '{name}' is not on this machine and could not be fetched{why}; {_made(name)}")


def _made(name: str) -> str:
    return f"check the name, or build it: magnus build_docker {name}"


def _other_platform(name: str) -> str:
    return f"build '{name}' on this machine, or fetch the variant for it"


def not_begun(
    spec: ContainerSpec, image: Image | None, engine: str, end: ContainerEnd, last_words: str
) -> Cause:
    """Explain why magnus did not begin its work in a container that ran.

    Args:
        spec: The container.
        image: Its image.
        engine: The architecture of the engine's machine.
        end: How it ended.
        last_words: What it wrote last.
    """
    said = f": {last_words}" if last_words else ""
    name = spec.image
    if end.out_of_memory:
        return out_of_memory(spec)
    if image is not None and image.architecture != engine:
        return Cause(
            f"the image '{name}' is for {image.architecture}, and this engine runs {engine}; {_other_platform(name)}"
        )
    if (cause := not_executed(spec, last_words)) is not None:
        return cause
    if end.exit_code == _USAGE and "--job-from-stdin" in last_words:
        return Cause(
            f"the image '{name}' has another version of magnus, which does not know this one's way to hand over a step; "
            "build the image again"
        )
    entrypoint = spec.entrypoint if spec.entrypoint is not None else image and image.entrypoint
    if entrypoint:
        point = " ".join(entrypoint)
        return Cause(
            f"the entry point of the image '{name}' ({point}) did not run the command that it was given, and ended with "
            f'exit code {end.exit_code}{said}; let it end with exec "$@", or set `entrypoint: []`'
        )
    if "No module named" in last_words and "magnus" in last_words:
        return Cause(f"the image '{name}' lacks a part of magnus{said}; {_BUILD}")
    return Cause(
        f"magnus could not begin in the image '{name}', and ended with exit code {end.exit_code}{said}"
    )


def not_executed(spec: ContainerSpec, last_words: str) -> Cause | None:
    """Explain what the container's first process said; None if it did not say that the program is missing."""
    failed = _NOT_EXECUTED.search(last_words)
    return None if failed is None else _no_program(spec, failed[1])


def _no_program(spec: ContainerSpec, program: str) -> Cause:
    if program == "magnus":
        return Cause(f"magnus is missing in the image '{spec.image}'; {_BUILD}")
    return Cause(
        f"there is no program '{program}' in the image '{spec.image}'; choose an image that has it, or name another one"
    )


def broken_off(spec: ContainerSpec, end: ContainerEnd) -> Cause:
    """Explain why a step that had begun left nothing in the run log."""
    failure = f"exit:{end.exit_code}"
    if end.out_of_memory:
        return out_of_memory(spec)._replace(failure=failure)
    if end.exit_code == _KILLED:
        return Cause("the container of the step was killed (SIGKILL), and not by magnus", failure)
    if end.exit_code > _BY_SIGNAL:
        number = end.exit_code - _BY_SIGNAL
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = str(number)
        return Cause(f"the process of the step was ended by the signal {name}", failure)
    return Cause(f"the process of the step ended by itself with exit code {end.exit_code}", failure)


def out_of_memory(spec: ContainerSpec) -> Cause:
    """Explain that the kernel killed the step."""
    limit = spec.limits.memory_mib
    if limit is None:
        return Cause(
            "the step was killed because this machine ran out of memory; let it need less, or set a limit"
        )
    return Cause(
        f"the step was killed because it needed more than its {limit} MiB of memory; give it more "
        "(`resources: {memory: ...}`), or let it need less"
    )
