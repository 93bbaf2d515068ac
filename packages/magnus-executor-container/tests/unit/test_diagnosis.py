from __future__ import annotations

import pytest

from magnus.domain.limits import Limits
from magnus_executor_container.client import ContainerEnd, Image
from magnus_executor_container.container_spec import ContainerSpec
from magnus_executor_container.diagnosis import (
    Cause,
    broken_off,
    missing_image,
    not_begun,
    not_created,
    not_executed,
    out_of_memory,
)
from magnus_executor_container.errors import EngineRefusedError, ImageMissingError

SPEC = ContainerSpec("image", ("magnus", "work"), {})
OWN_POINT = SPEC._replace(entrypoint=("/start",))
LIMITED = SPEC._replace(limits=Limits(memory_mib=512))
IMAGE = Image("sha256:1", "", "amd64", ())
BUILD = "build one that has it by `magnus build_docker`, or install magnus-core[container] in it"
NO_MAGNUS = f"magnus is missing in the image 'image'; {BUILD}"
FATAL = "[FATAL tini (7)] exec {} failed: No such file or directory"


def refused(reason: str) -> EngineRefusedError:
    """Return what the client makes of the engine's *reason*."""
    return EngineRefusedError(f"the engine at here would not: {reason}", reason)


@pytest.mark.parametrize(
    ("spec", "error", "cause"),
    [
        (
            SPEC,
            refused('exec: "magnus": executable file not found in $PATH'),
            Cause(NO_MAGNUS),
        ),
        (
            OWN_POINT,
            refused("exec: /start: no such file or directory"),
            Cause(
                "there is no program '/start' in the image 'image', or its entry point names none; change the image, "
                "or set `entrypoint`"
            ),
        ),
        (
            SPEC,
            refused("exec format error"),
            Cause(
                "the image 'image' is for another kind of processor; build 'image' on this machine, or fetch the variant "
                "for it"
            ),
        ),
        (
            SPEC,
            refused('could not select device driver "" with capabilities: [[gpu]]'),
            Cause(
                'the engine has no driver for graphics processors (could not select device driver "" with capabilities: '
                "[[gpu]]); install one (for NVIDIA its container toolkit), or ask for no gpu"
            ),
        ),
        (
            SPEC,
            refused("no space left on device"),
            Cause("the engine refused the container: no space left on device", "submission"),
        ),
        (
            SPEC,
            ImageMissingError("there is no image 'image'"),
            Cause(
                "the image 'image' is not on this machine and could not be fetched; check the name, or build it: "
                "magnus build_docker image"
            ),
        ),
        (
            SPEC,
            ImageMissingError("x", "the registry is asleep"),
            Cause(
                "the image 'image' is not on this machine and could not be fetched (the registry is asleep); check the "
                "name, or build it: magnus build_docker image"
            ),
        ),
    ],
)
def test_why_a_container_was_not_created(
    spec: ContainerSpec, error: EngineRefusedError, cause: Cause
) -> None:
    """Only what another attempt may mend has a name."""
    assert not_created(spec, error, "missing") == cause


def test_an_image_that_must_not_be_fetched_is_told_as_such() -> None:
    """The remedy is not to look for it in a registry."""
    assert missing_image("image", "", "never") == Cause(
        "the image 'image' is not on this machine, and `pull: never` forbids to fetch it; check the name, or build it: "
        "magnus build_docker image"
    )


@pytest.mark.parametrize(
    ("spec", "image", "end", "words", "message"),
    [
        (SPEC, IMAGE, ContainerEnd(127, out_of_memory=False), FATAL.format("magnus"), NO_MAGNUS),
        (
            OWN_POINT,
            IMAGE,
            ContainerEnd(127, out_of_memory=False),
            FATAL.format("/start"),
            "there is no program '/start' in the image 'image'; choose an image that has it, or name another one",
        ),
        (
            SPEC,
            IMAGE._replace(architecture="arm64"),
            ContainerEnd(255, out_of_memory=False),
            "",
            (
                "the image 'image' is for arm64, and this engine runs amd64; build 'image' on this machine, or fetch the "
                "variant for it"
            ),
        ),
        (
            SPEC,
            IMAGE,
            ContainerEnd(2, out_of_memory=False),
            "No such option: --job-from-stdin",
            (
                "the image 'image' has another version of magnus, which does not know this one's way to hand over a step; "
                "build the image again"
            ),
        ),
        (
            SPEC,
            IMAGE._replace(entrypoint=("/start", "-x")),
            ContainerEnd(1, out_of_memory=False),
            "usage: start",
            (
                "the entry point of the image 'image' (/start -x) did not run the command that it was given, and ended with "
                'exit code 1: usage: start; let it end with exec "$@", or set `entrypoint: []`'
            ),
        ),
        (
            SPEC._replace(entrypoint=()),
            IMAGE._replace(entrypoint=("/start", "-x")),
            ContainerEnd(1, out_of_memory=False),
            "usage: start",
            "magnus could not begin in the image 'image', and ended with exit code 1: usage: start",
        ),
        (
            SPEC,
            IMAGE,
            ContainerEnd(1, out_of_memory=False),
            "ModuleNotFoundError: No module named 'magnus_stores'",
            "the image 'image' lacks a part of magnus: ModuleNotFoundError: No module named 'magnus_stores'; "
            + BUILD,
        ),
        (
            SPEC,
            None,
            ContainerEnd(3, out_of_memory=False),
            "",
            "magnus could not begin in the image 'image', and ended with exit code 3",
        ),
        (
            LIMITED,
            IMAGE,
            ContainerEnd(137, out_of_memory=True),
            "",
            (
                "the step was killed because it needed more than its 512 MiB of memory; give it more "
                "(`resources: {memory: ...}`), or let it need less"
            ),
        ),
    ],
)
def test_why_magnus_did_not_begin(
    spec: ContainerSpec, image: Image | None, end: ContainerEnd, words: str, message: str
) -> None:
    """No attempt would mend it, so it has no name."""
    assert not_begun(spec, image, "amd64", end, words) == Cause(message)


@pytest.mark.parametrize(
    ("spec", "end", "cause"),
    [
        (
            SPEC,
            ContainerEnd(7, out_of_memory=False),
            Cause("the process of the step ended by itself with exit code 7", "exit:7"),
        ),
        (
            SPEC,
            ContainerEnd(137, out_of_memory=False),
            Cause("the container of the step was killed (SIGKILL), and not by magnus", "exit:137"),
        ),
        (
            SPEC,
            ContainerEnd(139, out_of_memory=False),
            Cause("the process of the step was ended by the signal SIGSEGV", "exit:139"),
        ),
        (
            SPEC,
            ContainerEnd(255, out_of_memory=False),
            Cause("the process of the step was ended by the signal 127", "exit:255"),
        ),
        (
            SPEC,
            ContainerEnd(137, out_of_memory=True),
            Cause(
                "the step was killed because this machine ran out of memory; let it need less, or set a limit",
                "exit:137",
            ),
        ),
        (
            LIMITED,
            ContainerEnd(1, out_of_memory=True),
            Cause(
                "the step was killed because it needed more than its 512 MiB of memory; give it more "
                "(`resources: {memory: ...}`), or let it need less",
                "exit:1",
            ),
        ),
    ],
)
def test_why_a_step_left_nothing_in_the_run_log(spec: ContainerSpec, end: ContainerEnd, cause: Cause) -> None:
    """Each can be tried again by the exit code."""
    assert broken_off(spec, end) == cause


def test_what_another_process_says_is_not_taken_for_a_missing_program() -> None:
    """Only the container's first process is believed."""
    assert not_executed(SPEC, "no such file or directory") is None
    assert out_of_memory(SPEC).failure == ""
