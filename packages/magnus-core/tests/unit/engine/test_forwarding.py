from __future__ import annotations

import json
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from magnus.engine.forwarding import (
    Forwarded,
    ForwardedJob,
    LineSorter,
    Told,
    decode,
    own_version,
    read_told,
)

JOB = ForwardedJob(
    "run",
    "ärger",
    "each.a%2Eb.fit",
    2,
    (("items", ["x", 1, None]), ("item", {"k": "密码"})),
    {"type": "task", "command": "m.f", "retry": {"max_attempts": 2}},
)
FULL = Forwarded(
    version="1.2",
    mark="0123456789abcdef",
    configuration={"executor": {"type": "local", "config": {"password": "pässwörd\n\0"}}},
    inside_compute=True,
    is_unattended=True,
    search_path=("/a b", ""),
    secrets=("one", "zwei\n\u2028"),
    private_files={"/private/é": bytes(range(256)), "/private/empty": b""},
    private_environment={"NAME": "wert\n"},
    endpoints=(("db", 5432), ("::1", 80)),
    job=JOB,
)


def sent(message: Forwarded) -> bytes:
    """Return the part of what goes over that the other side decodes, after it was told how long that is."""
    data = message.encode()
    assert int.from_bytes(data[:8]) == len(data) - 8
    return data[8:]


@pytest.mark.parametrize(
    "message",
    [
        FULL,
        Forwarded("1.2", "mark", {}, inside_compute=False),
        FULL._replace(job=JOB._replace(map_variable=())),
    ],
    ids=["everything", "a rehearsal with nothing", "no map"],
)
def test_a_message_comes_over_as_it_was(message: Forwarded) -> None:
    """Every field, whatever text and bytes are in it."""
    assert decode(sent(message)) == message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"3",
        b"{}",
        json.dumps({**json.loads(sent(FULL)), "more": 1}).encode(),
        json.dumps({**json.loads(sent(FULL)), "job": {}}).encode(),
        json.dumps({**json.loads(sent(FULL)), "job": 3}).encode(),
        json.dumps({**json.loads(sent(FULL)), "endpoints": [1]}).encode(),
        json.dumps({**json.loads(sent(FULL)), "private_files": {"a": "?a"}}).encode(),
        sent(FULL)[:-1],
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    """With the one error that the caller expects."""
    with pytest.raises(ValueError):  # noqa: PT011 - its message is json's or ours
        decode(data)


def test_the_version_is_that_of_the_installed_core() -> None:
    """Both sides must have the same."""
    assert re.fullmatch(r"\d+\.\d+.*", own_version())


MARK = "0123456789abcdef"
TOLD = [
    Told(has_begun=True),
    Told(has_begun=True, secrets=("a\nb", "ü")),
    Told(refusal="db:5432 does not answer"),
    Told(has_begun=True, has_answer=True, is_last=True),
    Told(has_answer=True),
]


def sorted_out(pieces: list[bytes]) -> tuple[bytes, list[Told]]:
    """Return what a sorter makes of output that comes in *pieces*."""
    sorter = LineSorter(MARK)
    printed, told = b"", []
    for piece in pieces:
        shown, found = sorter.feed(piece)
        printed += shown
        told += found
    return printed + sorter.flush(), told


@pytest.mark.parametrize("before", [b"", b"before\n", b"\n", b"no end of line"])
@pytest.mark.parametrize("after", [b"", b"after\n", b"after"])
def test_a_told_line_is_found_wherever_the_output_is_cut(before: bytes, after: bytes) -> None:
    """What stands around it is shown as it was, even where it did not end its line."""
    data = before + TOLD[1].line(MARK) + after
    for cut in range(len(data) + 1):
        assert sorted_out([data[:cut], data[cut:]]) == (before + after, [TOLD[1]])
    assert sorted_out([bytes([byte]) for byte in data]) == (before + after, [TOLD[1]])


@pytest.mark.parametrize(
    "line",
    [
        b"\x1e",
        b"\x1e0123",
        f"\x1e{MARK}".encode(),
        f"\x1e{MARK}x\n".encode(),
        f"\x1e{MARK[::-1]} {{}}\n".encode(),
        b"\x1e\x1e\n",
        f"{MARK} {{}}\n".encode(),
    ],
)
def test_what_only_begins_like_the_mark_was_printed(line: bytes) -> None:
    """It is shown unchanged, and hides nothing that comes after it."""
    data = line + TOLD[0].line(MARK)
    for cut in range(len(data) + 1):
        assert sorted_out([data[:cut], data[cut:]]) == (line, [TOLD[0]])
    assert sorted_out([line]) == (line, [])


def test_what_cannot_be_the_mark_is_shown_at_once() -> None:
    """A prompt or a progress bar waits for no end of line."""
    sorter = LineSorter(MARK)
    assert sorter.feed(b"working") == (b"working", [])
    assert sorter.feed(b"...\x1e01") == (b"...", [])
    assert sorter.feed(b"!") == (b"\x1e01!", [])
    assert sorter.flush() == b""


def test_a_line_that_was_not_told_to_its_end_is_not_shown() -> None:
    """The process was killed meanwhile; the line may hold secrets that nobody knows of here."""
    assert sorted_out([b"printed\n" + TOLD[1].line(MARK)[:-5]]) == (b"printed\n", [])


@pytest.mark.parametrize("told", TOLD)
def test_what_is_told_can_be_left_as_bytes(told: Told) -> None:
    """In a mailbox, where no output is around it."""
    assert read_told(told.encode()) == told


PRINTED = st.binary(max_size=40) | st.sampled_from(
    [b"line\n", b"\n", b"\x1e", f"\x1e{MARK[:9]}".encode(), f"\x1e{MARK}".encode(), b"\r\n"]
)


@given(st.lists(PRINTED | st.sampled_from(TOLD), max_size=8), st.data())
def test_nothing_printed_is_changed_and_nothing_told_is_missed(
    output: list[bytes | Told], data: st.DataObject
) -> None:
    """Whatever is printed, and however it comes in pieces."""
    stream = b"".join(part.line(MARK) if isinstance(part, Told) else part for part in output)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    printed = b"".join(part for part in output if isinstance(part, bytes))
    assume(f"\x1e{MARK} ".encode() not in printed)  # nobody who prints knows the mark
    assert sorted_out(pieces) == (printed, [part for part in output if isinstance(part, Told)])
