"""What every secrets manager promises, as tests: subclass `SecretsContract` and give it `make_secrets`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from magnus.domain.capabilities import ServiceCapabilities
from magnus.errors import MagnusError, SecretNotFoundError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from magnus.ports.secrets import Secrets

CANARY = "canary-5f2c81d0"
VALUES = {
    "plain": CANARY,
    "equals": "a=b==",
    "hash": "a#b # c",
    "quotes": 'it\'s "quoted"',
    "backslashes": "C:\\new\\table",
    "dollars": "$HOME ${HOME} $$",
    "blanks": "  inside and around  ",
    "unicode": "pässwörd-密码-🔑",
    "lines": "-----BEGIN KEY-----\nMIIabc=\n\n-----END KEY-----\n",
    "json": '{"token": "x", "n": [1, 2]}',
    "long": "0123456789" * 2000,
}


class SecretsContract:
    """The promises of `magnus.ports.secrets.Secrets`.

    A subclass overrides `make_secrets`.
    """

    @pytest.fixture
    def make_secrets(self) -> Callable[[Mapping[str, str]], Secrets | None]:
        """Return a function that makes a manager holding the given secrets, or None where it cannot hold them."""
        raise NotImplementedError

    def test_capabilities_are_said_without_an_instance(
        self, make_secrets: Callable[[Mapping[str, str]], Secrets | None]
    ) -> None:
        """The verdicts of a check are drawn from the class and the options."""
        manager = _made(make_secrets, {})
        assert isinstance(type(manager).capabilities(manager.options), ServiceCapabilities)

    @pytest.mark.parametrize("kind", VALUES)
    def test_a_secret_comes_back_exactly_as_it_was_stored(
        self, kind: str, make_secrets: Callable[[Mapping[str, str]], Secrets | None]
    ) -> None:
        """Nothing is trimmed, unquoted, expanded or cut."""
        assert _made(make_secrets, {"FIRST": "other", "NAME": VALUES[kind]}).get("NAME") == VALUES[kind]

    def test_a_missing_secret_is_named_and_no_value_is_told(
        self, make_secrets: Callable[[Mapping[str, str]], Secrets | None]
    ) -> None:
        """The error says which secret was asked for, and gives none away."""
        manager = make_secrets({"NAME": CANARY}) or _made(make_secrets, {})
        with pytest.raises(SecretNotFoundError, match="NO_SUCH_SECRET") as caught:
            manager.get("NO_SUCH_SECRET")
        assert CANARY not in str(caught.value)

    def test_names_keep_their_case(self, make_secrets: Callable[[Mapping[str, str]], Secrets | None]) -> None:
        """A secret is not found under another spelling."""
        manager = make_secrets({"Name_1": CANARY}) or _made(make_secrets, {})
        with pytest.raises(SecretNotFoundError):
            manager.get("NAME_1")

    def test_all_secrets_can_be_listed_or_the_manager_says_that_they_cannot(
        self, make_secrets: Callable[[Mapping[str, str]], Secrets | None]
    ) -> None:
        """There is no third outcome, such as a part of them."""
        held = {"ONE": CANARY, "TWO": "2"}
        manager = _made(make_secrets, held)
        try:
            found = manager.get_all()
        except ServiceError as error:
            assert CANARY not in str(error)  # noqa: PT017 - both outcomes are right
        else:
            assert found == held

    def test_secrets_can_be_asked_for_from_several_threads(
        self, make_secrets: Callable[[Mapping[str, str]], Secrets | None]
    ) -> None:
        """The first use, which may open something, happens in many threads at once."""
        held = {f"NAME_{number}": f"value-{number}" for number in range(20)}
        manager = _made(make_secrets, held)
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(manager.get, held)) == list(held.values())

    def test_it_can_be_closed_without_having_been_used(
        self, make_secrets: Callable[[Mapping[str, str]], Secrets | None]
    ) -> None:
        """A run that asks for no secret closes its manager all the same."""
        _made(make_secrets, {}).close()

    def test_errors_are_of_magnus(self, make_secrets: Callable[[Mapping[str, str]], Secrets | None]) -> None:
        """Whatever name is asked for, nothing of the vendor's comes out."""
        manager = _made(make_secrets, {})
        for name in ("with blank", "ünïcode", "a=b", "x" * 3000):
            with pytest.raises(MagnusError):
                manager.get(name)


def _made(make_secrets: Callable[[Mapping[str, str]], Secrets | None], held: Mapping[str, str]) -> Secrets:
    manager = make_secrets(held)
    if manager is None:
        pytest.skip("the manager cannot hold such a secret")
    return manager
