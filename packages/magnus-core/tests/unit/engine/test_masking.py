from __future__ import annotations

import base64
import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnus.engine.masking import MASK, Masker, StreamMasker, mask_config

if TYPE_CHECKING:
    from collections.abc import Callable

SECRETS = ["hunter2", "a=b/c+d e&f", 'it\'s "q"', "back\\slash\\n", "pässwörd-密码", "tab\there", "{'k': 1}"]
PEM = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nab\nkqhkiG9w0BAQEF\n-----END KEY-----\n"

RENDERINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": json.dumps,
    "JSON with unicode": lambda secret: json.dumps({"k": secret}, ensure_ascii=False),
    "JSON in JSON": lambda secret: json.dumps(json.dumps([secret])),
    "repr": repr,
    "repr of a longer text": lambda secret: repr(f"\"'{secret}"),
    "ascii": ascii,
    "repr of bytes": lambda secret: repr(secret.encode()),
    "URL": lambda secret: "https://h/?q=" + quote(secret, safe=""),
    "URL in lower case": lambda secret: re.sub("%..", lambda m: m[0].lower(), quote(secret, safe="")),
    "form": quote_plus,
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "URL-safe base64": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
}


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("rendering", RENDERINGS)
def test_a_secret_is_hidden_however_it_is_written(secret: str, rendering: str) -> None:
    """Nothing of the rendered secret is left."""
    masker = Masker()
    assert masker.add(secret)
    bare = RENDERINGS[rendering](secret)
    masked = masker.mask(f"before {bare} after")
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    assert MASK in masked
    assert secret not in masked
    assert StreamMasker(masker).feed(f"{bare}\n".encode()) == masker.mask(f"{bare}\n").encode()


@pytest.mark.parametrize("user", ["u", "us", "user"])
def test_a_secret_in_the_middle_of_base64_is_hidden(user: str) -> None:
    """As in a header of basic authentication: at most the groups it shares with its neighbours are left."""
    encoded = base64.b64encode(f"{user}:long-secret-value".encode()).decode()
    masked = Masker(["long-secret-value"]).mask(encoded)
    assert b"secret" not in base64.b64decode(masked.split(MASK)[0] + "====")
    assert len(masked) < len(encoded) - 12


def test_the_lines_of_a_secret_are_hidden_one_by_one() -> None:
    """Lines of six characters and more are hidden wherever they stand; the short ones only within the whole."""
    masker = Masker([PEM])
    assert masker.mask("| MIIEvQIBADANBg\n| ab") == f"| {MASK}\n| ab"
    assert masker.mask(f"<{PEM}>") == f"<{MASK}>"
    assert masker.mask(json.dumps(PEM)) == f'"{MASK}"'


def test_overlapping_secrets_are_hidden_to_their_ends() -> None:
    """A secret that begins within another leaves no rest."""
    assert Masker(["abcdef", "defghi", "abcd"]).mask("-abcdefghi-abcd-") == f"-{MASK}-{MASK}-"


@pytest.mark.parametrize("secret", ["", "a", "123", "  x  "])
def test_a_very_short_secret_is_not_hidden(secret: str) -> None:
    """It occurs in any text, and hiding it would show where."""
    masker = Masker()
    assert not masker.add(secret)
    assert masker.mask("a 123 x") == "a 123 x"
    assert masker.patterns.forms == ()


def test_a_text_without_secrets_is_returned_itself() -> None:
    """Callers can tell by identity that nothing was hidden."""
    text = "nothing here"
    assert Masker().mask(text) is text
    assert Masker(["hunter2"]).mask(text) is text


def test_a_masker_of_another_process_hides_the_same() -> None:
    """The secrets can be handed on."""
    assert Masker(Masker(["hunter2", "swordfish"]).secrets).mask("hunter2 swordfish") == f"{MASK} {MASK}"


def test_bytes_go_through_untouched_when_there_is_no_secret() -> None:
    """The same object comes out."""
    data = b"abc\xff"
    assert StreamMasker(Masker()).feed(data) is data


def test_a_secret_that_is_cut_in_two_is_hidden() -> None:
    """What could be its beginning is held back, and nothing else."""
    stream = StreamMasker(Masker(["hunter2"]))
    assert stream.feed(b"x=hun") == b"x="
    assert stream.feed(b"ter2;") == b"***;"
    assert stream.feed(b"prompt> ") == b"prompt> "
    assert stream.feed(b"hun") == b""
    assert stream.feed(b"t\n") == b"hunt\n"
    assert stream.feed(b"hunter") == b""
    assert stream.flush() == b"hunter"
    assert stream.flush() == b""


def test_a_secret_added_in_mid_stream_counts_from_then_on() -> None:
    """A stream need not be told."""
    masker = Masker()
    stream = StreamMasker(masker)
    assert stream.feed(b"hunter2 ") == b"hunter2 "
    masker.add("hunter2")
    assert stream.feed(b"hunter2\n") == b"***\n"


def test_what_is_no_utf8_goes_through_unchanged() -> None:
    """Bytes are not decoded."""
    every = bytes(range(256))
    assert StreamMasker(Masker(["hunter2"])).feed(every + b"hunter2" + every) == every + b"***" + every


@given(
    secrets=st.lists(st.text("ab\n-", min_size=4, max_size=9), min_size=1, max_size=4),
    text=st.text("ab\n-", max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=8),
)
def test_a_stream_hides_the_same_wherever_it_is_cut(secrets: list[str], text: str, cuts: list[int]) -> None:
    """However the secrets overlap, pieces give what the whole gives."""
    masker = Masker(secrets)
    stream = StreamMasker(masker)
    data = text.encode()
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    shown = b"".join([stream.feed(data[start:end]) for start, end in pairwise(places)] + [stream.flush()])
    assert shown == masker.mask(text).encode()


CREDENTIALS = [
    "password",
    "DB_PASSWORD",
    "secret",
    "client-secret",
    "apiKey",
    "api_key",
    "aws_secret_access_key",
    "token",
]
CREDENTIALS += ["authToken", "private_key", "credential", "passwd", "db.pwd", "accesskey"]


@pytest.mark.parametrize("key", CREDENTIALS)
def test_a_value_under_a_key_that_names_a_credential_is_hidden(key: str) -> None:
    """Whatever its spelling; the value is returned, so that it can be hidden elsewhere."""
    masked = mask_config({"a": [{key: "canary"}]})
    assert masked.value == {"a": [{key: MASK}]}
    assert masked.secrets == ("canary",)


def test_what_only_looks_like_a_credential_is_shown() -> None:
    """The block of the secrets manager, places of credentials, limits and switches say nothing secret."""
    config = {
        "secrets": {"type": "dotenv", "config": {"location": ".env"}},
        "token_file": "f",
        "max_tokens": 100,
        "tokenizer": "bpe",
        "use_token": True,
        "password": None,
        "keys": ["a"],
        "url": "http://h:8080/a@b",
        "mail": "a@b",
    }
    assert mask_config(config) == (config, ())


@pytest.mark.parametrize(
    ("text", "masked", "secret"),
    [
        ("postgresql://u:canary@h/db", "postgresql://u:***@h/db", "canary"),
        ("postgresql://u:p@ss@h:5432/db", "postgresql://u:***@h:5432/db", "p@ss"),
        ("redis://:can%2Fary@h", "redis://:***@h", "can/ary"),
        ("git+https://canary@h/r.git", "git+https://***@h/r.git", "canary"),
        ("host=h password=canary dbname=d", "host=h password=*** dbname=d", "canary"),
        ("https://h/?api_key=canary&x=1", "https://h/?api_key=***&x=1", "canary"),
    ],
)
def test_a_credential_in_the_middle_of_a_text_is_hidden(text: str, masked: str, secret: str) -> None:
    """In addresses and connection strings the rest stays readable."""
    found = mask_config({"location": text})
    assert found.value == {"location": masked}
    assert secret in found.secrets


def test_values_of_variables_that_name_a_credential_are_hidden_wherever_they_were_put() -> None:
    """Other variables are shown."""
    found = mask_config({"a": "x-canary-y", "b": "main"}, {"DB_TOKEN": "canary", "BRANCH": "main"})
    assert found == ({"a": "x-***-y", "b": "main"}, ("canary",))
