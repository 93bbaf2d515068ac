from __future__ import annotations

from magnus.domain.parameters import INLINE_LIMIT, REFERENCE, Value, Values, encode_all
from magnus.engine.scope import Scope


def plain(values: Values) -> dict[str, object]:
    """Return decoded values."""
    return {name: value.decode() for name, value in values.items()}


def test_a_branch_sees_what_its_parent_had_when_it_opened() -> None:
    """With its item laid over; what either sets afterwards the other does not see."""
    parent = Scope(encode_all({"a": 1, "item": "outer"}, "test"))
    child = parent.child({"item": Value.of("inner")})
    parent.update({"a": Value.of(2)})
    child.update({"b": Value.of(3)})
    assert plain(child.values) == {"a": 1, "item": "inner", "b": 3}
    assert plain(parent.values) == {"a": 2, "item": "outer"}


def test_what_a_branch_hands_on_is_what_it_set() -> None:
    """Not what it was given: neither its item nor what its parent had."""
    child = Scope(encode_all({"a": 1}, "test")).child({"item": Value.of("x")})
    assert child.outputs == {}
    child.update({"b": Value.of(3)})
    assert plain(child.outputs) == {"b": 3}


def test_what_stands_in_a_record_follows_every_change() -> None:
    """It is made once and kept only until something changes; large values are referred to."""
    scope = Scope(encode_all({"a": 1}, "test"))
    before = scope.in_record()
    scope.update({})
    assert scope.in_record() is before
    large = Value.of("x" * (INLINE_LIMIT + 1))
    scope.update({"a": large})
    assert scope.in_record() == {"a": {REFERENCE: large.digest}}
    assert before == {"a": 1}
