"""Names for runs that nobody named."""

from __future__ import annotations

import secrets

_FIRST = """
    amber azure bold brave brisk calm clear cosy crisp eager early fair fond free fresh gentle glad
    golden grand green happy honest keen kind lively loyal lucky mellow merry mild misty neat noble pale
    plain polite prime proud quick quiet rapid ready red rosy round sage sharp shy silent silver smart
    soft solid spry steady still sunny sweet swift tidy warm wise young
""".split()  # noqa: SIM905 - sixty quoted words in a list are hard to read
_SECOND = """
    ant bear bee beetle bison bobcat carp cat cod crab crane crow deer dove duck eagle eel elk falcon
    finch fox frog gecko goat goose gull hare hawk heron horse ibis jay koala lark lion lynx magpie
    marten mole moose moth mouse newt otter owl ox panda perch pike puffin quail rabbit ram raven robin
    seal shrew stork swan tiger toad trout vole whale wolf wren yak zebra
""".split()  # noqa: SIM905 - sixty quoted words in a list are hard to read
# Without letters that are mistaken for digits or for each other.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_RANDOM_CHARACTERS = 8


def new_run_id() -> str:
    """Return a short id that a person can say and that two machines do not both make: 52 bits of chance."""
    suffix = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_CHARACTERS))
    return f"{secrets.choice(_FIRST)}-{secrets.choice(_SECOND)}-{suffix}"
