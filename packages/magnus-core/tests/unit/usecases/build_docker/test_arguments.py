from __future__ import annotations

import pytest

from magnus.errors import ConfigurationError
from magnus.usecases.build_docker.arguments import declared_arguments, installer_arguments, proxy_arguments


def test_what_is_set_of_indexes_and_proxies_is_given_to_the_build() -> None:
    """And nothing else of the environment, whatever it holds."""
    environ = {
        "PIP_INDEX_URL": "https://index.example/simple",
        "UV_INDEX": "",
        "PIP_FIND_LINKS": "/here",
        "AWS_SECRET_ACCESS_KEY": "canary",
        "https_proxy": "http://user:password@proxy.example:3128",
        "NO_PROXY": "localhost",
    }
    assert installer_arguments(environ) == {"PIP_INDEX_URL": "https://index.example/simple"}
    assert proxy_arguments(environ) == {
        "https_proxy": "http://user:password@proxy.example:3128",
        "NO_PROXY": "localhost",
    }


@pytest.mark.parametrize(
    "value",
    [
        "https://user:canary@index.example/simple",
        "https://canary@index.example/simple",
        "https://a.example https://user:canary@index.example",
        "name=https://user:canary@index.example",
    ],
)
@pytest.mark.parametrize("name", ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_DEFAULT_INDEX"])
def test_credentials_of_an_index_are_refused_and_not_repeated(name: str, value: str) -> None:
    """They would stand in the history of the image; without them a public index might answer instead."""
    with pytest.raises(ConfigurationError) as caught:
        installer_arguments({name: value})
    assert str(caught.value) == (
        f"{name} holds a user name or password, which anyone who has the image could read in its history; "
        "name an index that needs none, or build with it unset and --magnus-wheels"
    )


def test_a_dockerfile_is_given_what_it_declares() -> None:
    """Engines complain about the rest."""
    text = "FROM x\nARG PIP_INDEX_URL\n  arg UV_INDEX=y\n# ARG PIP_TRUSTED_HOST\n"
    given = {"PIP_INDEX_URL": "1", "UV_INDEX": "2", "PIP_TRUSTED_HOST": "3"}
    assert declared_arguments(text, given) == {"PIP_INDEX_URL": "1", "UV_INDEX": "2"}
