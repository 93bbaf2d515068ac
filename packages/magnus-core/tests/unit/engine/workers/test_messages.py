from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnus.engine.workers.messages import Inbox, decode_json, encode_json, framed


@given(st.lists(st.binary(max_size=50)), st.integers(1, 20))
def test_messages_arrive_whole_however_the_bytes_are_cut(messages: list[bytes], size: int) -> None:
    """A socket gives any number of bytes at a time."""
    data = b"".join(framed(message) for message in messages)
    inbox = Inbox()
    found = [
        message for start in range(0, len(data), size) for message in inbox.feed(data[start : start + size])
    ]
    assert found == messages


def test_what_is_no_message_is_refused() -> None:
    """A task may write into the connection."""
    with pytest.raises(ValueError, match="8608480567731124087"):
        list(Inbox().feed(b"wwwwwwwwwwww"))


def test_half_a_character_arrives() -> None:
    """Texts of users hold any."""
    assert decode_json(encode_json({"text": "\ud83d"}).encode().decode()) == {"text": "\ud83d"}
