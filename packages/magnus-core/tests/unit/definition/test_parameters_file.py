from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from magnus.definition.parameters_file import load_parameters_file
from magnus.errors import ParametersError

if TYPE_CHECKING:
    from pathlib import Path


def test_yaml_and_json_give_the_same_parameters(tmp_path: Path) -> None:
    """As plain values, which know no positions; a variable's form is ordinary text."""
    (tmp_path / "p.yaml").write_text("x: 1\nys: [a, {b: null}]\nz: ${NAME}\n")
    (tmp_path / "p.json").write_text('{"x": 1, "ys": ["a", {"b": null}], "z": "${NAME}"}')

    expected = {"x": 1, "ys": ["a", {"b": None}], "z": "${NAME}"}
    for name in ("p.yaml", "p.json"):
        parameters = load_parameters_file(tmp_path / name)
        assert parameters == expected
        assert [type(parameters["ys"]), type(parameters["ys"][1])] == [list, dict]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- 1\n", ":1:1: the file holds a list; expected a mapping of the parameters' names to their values"),
        ("x: .nan\n", ":1:4: 'x' is nan, which JSON does not have; use null or text"),
        ("x:\n  - 1\n  - -.inf\n", ":3:5: 'x' is -inf, which JSON does not have; use null or text"),
        ("a=b: 1\n", ":1:1: 'a=b' cannot be the name of a parameter; leave out '=' and zero bytes"),
        ("x: 1\nx: 2\n", ":2:1: the key 'x' is there twice, first at 1:1; remove or rename one"),
    ],
)
def test_what_cannot_be_a_parameter_is_told_with_its_place(
    tmp_path: Path, content: str, message: str
) -> None:
    """The whole message is compared."""
    path = tmp_path / "p.yaml"
    path.write_text(content)
    with pytest.raises(ParametersError) as caught:
        load_parameters_file(path)
    assert str(caught.value) == f"{path}{message}"
