from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from magnus.errors import ServiceError
from magnus_stores.secrets.dotenv import DotenvSecrets, DotenvSecretsOptions

if TYPE_CHECKING:
    from pathlib import Path

FILE = """\
# a comment

PLAIN=abc
export EXPORTED=abc
  INDENTED = abc  \t
EQUALS=postgresql://h/d?a=b==
HASH=abc#def
COMMENT=abc # not part of it
SINGLE='a # "b" = $HOME'
DOUBLE="a # 'b'\\nc"
LINES="first
  second
third"
EMPTY=
NO_VALUE
ünï=密码
DOLLAR=${PLAIN}$PLAIN
TWICE=first
TWICE=second
LAST=abc"""

EXPECTED = {
    "PLAIN": "abc",
    "EXPORTED": "abc",
    "INDENTED": "abc",
    "EQUALS": "postgresql://h/d?a=b==",
    "HASH": "abc#def",
    "COMMENT": "abc",
    "SINGLE": 'a # "b" = $HOME',
    "DOUBLE": "a # 'b'\nc",
    "LINES": "first\n  second\nthird",
    "EMPTY": "",
    "ünï": "密码",
    "DOLLAR": "${PLAIN}$PLAIN",
    "TWICE": "second",
    "LAST": "abc",
}


def secrets_in(path: Path, content: bytes) -> DotenvSecrets:
    """Write *content* to a file and return a manager of it."""
    file = path / "my.env"
    file.write_bytes(content)
    return DotenvSecrets(DotenvSecretsOptions(location=str(file)))


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_file_is_read_as_people_write_it(tmp_path: Path, line_end: str, mark: str) -> None:
    """Comments, blanks, quotes and signs inside values mean what they seem to, from editors of any system."""
    found = secrets_in(tmp_path, (mark + FILE.replace("\n", line_end)).encode()).get_all()
    assert {name: value.replace("\r\n", "\n") for name, value in found.items()} == EXPECTED


def test_a_missing_file_is_named_when_the_first_secret_is_asked_for(tmp_path: Path) -> None:
    """Making the manager opens nothing; the error names the file."""
    secrets = DotenvSecrets(DotenvSecretsOptions(location=str(tmp_path / "none.env")))
    with pytest.raises(ServiceError, match=r"none\.env does not exist"):
        secrets.get("X")


def test_a_line_that_is_none_is_named_without_its_content(tmp_path: Path) -> None:
    """An unclosed quote is found by its line; the secret in it is not told."""
    with pytest.raises(ServiceError, match=r"my\.env:2:") as caught:
        secrets_in(tmp_path, b"A=1\nB='canary\nC=3\n").get("A")
    assert "canary" not in str(caught.value)


def test_a_file_that_is_not_utf8_is_refused_without_its_content(tmp_path: Path) -> None:
    """The error names the line, and no error that holds the content is attached to it."""
    with pytest.raises(ServiceError, match=r"my\.env:2: not UTF-8") as caught:
        secrets_in(tmp_path, b"A=canary\nB=\xff\n").get("A")
    assert caught.value.__suppress_context__


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """What cannot be read is an error of the service."""
    with pytest.raises(ServiceError, match="cannot be read"):
        DotenvSecrets(DotenvSecretsOptions(location=str(tmp_path))).get("A")


def test_the_file_is_found_after_the_working_directory_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative location belongs to the directory in which the run began."""
    (tmp_path / ".env").write_text("A=1\n")
    monkeypatch.chdir(tmp_path)
    secrets = DotenvSecrets()
    monkeypatch.chdir("/")
    assert secrets.get("A") == "1"


def test_python_dotenv_is_not_imported_before_a_secret_is_asked_for() -> None:
    """A run that asks for none does not pay for it."""
    code = (
        "import sys, magnus_stores.secrets.dotenv as m; m.DotenvSecrets(); sys.exit('dotenv' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
