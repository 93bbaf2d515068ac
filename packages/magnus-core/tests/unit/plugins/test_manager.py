from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from magnus.errors import ConfigurationError, ServiceError
from magnus.plugins import AdapterSpec
from magnus.plugins.discovery import PluginSource
from magnus.plugins.manager import AdapterManager
from magnus.ports import PORT_API
from magnus.ports.secrets import Secrets

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "from magnus.plugins import AdapterSpec, IntegrationSpec, hookimpl\n"
CORE = PluginSource("core", "magnus.builtin.plugin", "magnus-core 1")


class Packages:
    """Packages that offer plugins, importable while a test runs."""

    def __init__(self, folder: Path) -> None:
        """Write none yet."""
        self._folder = folder
        self.names: list[str] = []

    def write(self, name: str, text: str) -> PluginSource:
        """Write the module *name*, and say where it comes from."""
        module = f"magnus_test_{name}"
        (self._folder / f"{module}.py").write_text(text, encoding="utf-8")
        self.names.append(module)
        return PluginSource(name, module, f"{name}-package 1.0")

    def offer(self, name: str, *specs: str, hook: str = "magnus_secrets") -> PluginSource:
        """Write a plugin that offers *specs* through *hook*."""
        return self.write(name, f"{HEAD}\n@hookimpl\ndef {hook}():\n    return [{', '.join(specs)}]\n")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lend `Packages`, and forget what was imported of them."""
    monkeypatch.syspath_prepend(tmp_path)
    lent = Packages(tmp_path)
    yield lent
    for name in lent.names:
        sys.modules.pop(name, None)


def spec(name: str, target: str = "magnus.builtin.do_nothing:DoNothingSecrets", **more: Any) -> str:
    """Return an adapter on offer, as source text."""
    return repr(AdapterSpec(name, target, **{"port_api": PORT_API, **more}))


def rule(executor: str = "local") -> str:
    """Return an integration on offer, as source text."""
    return f"IntegrationSpec('{executor}', 'secrets', 'vault', 'x:Y', {PORT_API})"


def test_what_plugins_offer_is_known_by_name_and_package(packages: Packages) -> None:
    """Listing the offers imports no adapter."""
    manager = AdapterManager([packages.offer("one", spec("vault", "no.such.module:Vault")), CORE])
    assert {name: offer.distribution for name, offer in manager.offers("secrets").items()} == {
        "vault": "one-package 1.0",
        "do-nothing": "magnus-core 1",
    }
    assert manager.offers("catalog").keys() == {"do-nothing"}


def test_an_adapter_is_loaded_when_it_is_asked_for(packages: Packages) -> None:
    """As the class itself."""
    manager = AdapterManager([packages.offer("one", spec("vault")), CORE])
    assert issubclass(manager.load("secrets", "vault"), Secrets)


def test_a_name_that_two_packages_offer_is_an_error_with_both(packages: Packages) -> None:
    """Nobody knows which one is meant; another port is not touched by that."""
    manager = AdapterManager(
        [packages.offer("one", spec("vault")), packages.offer("two", spec("vault")), CORE]
    )
    with pytest.raises(ConfigurationError) as caught:
        manager.offers("secrets")
    for part in ("secrets 'vault'", "one-package 1.0", "two-package 1.0", "uninstall"):
        assert part in str(caught.value)
    assert manager.offers("executor") == {}


def test_two_rules_for_one_triple_are_an_error_with_both_packages(packages: Packages) -> None:
    """A rule for another executor is another rule."""
    hook = "magnus_integrations"
    fine = [packages.offer("one", rule(), hook=hook), packages.offer("two", rule("argo"), hook=hook)]
    assert AdapterManager(fine).integrations().keys() == {
        ("local", "secrets", "vault"),
        ("argo", "secrets", "vault"),
    }
    with pytest.raises(ConfigurationError, match=r"local with the secrets vault.*one-package.*three-package"):
        AdapterManager([*fine, packages.offer("three", rule(), hook=hook)]).integrations()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("raise RuntimeError('boom')", "RuntimeError: boom"),
        ("def (", "SyntaxError"),
        (f"{HEAD}\n@hookimpl\ndef magnus_sectors(): return []\n", "magnus_sectors"),
        (f"{HEAD}\n@hookimpl\ndef magnus_secrets(config): return []\n", "config"),
    ],
)
def test_a_broken_plugin_is_kept_with_its_error_and_stops_no_other(
    packages: Packages, text: str, said: str
) -> None:
    """Whatever is wrong with it."""
    manager = AdapterManager([packages.write("broken", text), packages.offer("one", spec("vault")), CORE])
    (broken,) = manager.broken
    assert (broken.name, broken.distribution) == ("broken", "broken-package 1.0")
    assert said in broken.error
    assert broken.remedy
    assert manager.offers("secrets").keys() == {"vault", "do-nothing"}


@pytest.mark.parametrize("text", ["raise KeyError('x')", "return None", "return 3"])
def test_a_hook_that_fails_breaks_its_own_plugin_only(packages: Packages, text: str) -> None:
    """The error names the hook."""
    bad = packages.write("bad", f"{HEAD}\n@hookimpl\ndef magnus_secrets():\n    {text}\n")
    manager = AdapterManager([bad, CORE])
    assert manager.offers("secrets").keys() == {"do-nothing"}
    (broken,) = manager.broken
    assert broken.distribution == "bad-package 1.0"
    assert "magnus_secrets raised" in broken.error


def test_a_module_that_is_missing_is_told_where_an_adapter_is_looked_for(packages: Packages) -> None:
    """Whoever misses the adapter learns that a package could not be used."""
    manager = AdapterManager([PluginSource("gone", "no_such_plugin_module", "gone 2.0"), CORE])
    assert "gone 2.0 (ModuleNotFoundError" in manager.unknown("secrets", "vault")


@pytest.mark.parametrize(("written_for", "older"), [(PORT_API + 1, "magnus-core"), (PORT_API - 1, "it")])
def test_an_adapter_for_another_port_api_is_refused_in_one_line(
    packages: Packages, written_for: int, older: str
) -> None:
    """Which says which of the two is to be upgraded; nothing of the adapter was imported."""
    offer = packages.offer("one", spec("vault", "no.such.module:Vault", port_api=written_for))
    with pytest.raises(ConfigurationError) as caught:
        AdapterManager([offer]).load("secrets", "vault")
    text = str(caught.value)
    assert text.endswith(f"port API {written_for}, this magnus-core has {PORT_API}; upgrade {older}")
    assert "one-package 1.0" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("magnus.builtin.do_nothing:DoNothingCatalog", "not a subclass of magnus.ports.secrets.Secrets"),
        ("magnus.plugins.manager:HOOKS", "not a subclass of"),
        ("magnus.ports.secrets:Secrets", "lacks capabilities, get;"),
    ],
)
def test_what_is_no_whole_adapter_of_the_port_is_refused(packages: Packages, target: str, said: str) -> None:
    """Before anything is built of it, with the package that has to mend it."""
    manager = AdapterManager([packages.offer("one", spec("vault", target))])
    with pytest.raises(ConfigurationError, match=r"one-package 1\.0") as caught:
        manager.load("secrets", "vault")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("import no_such_vendor", "pip install 'one-package[vendor]'"),
        ("raise RuntimeError('boom')", "reinstall or upgrade it"),
        ("Vault = 1\ndel Vault", "reinstall or upgrade it"),
    ],
)
def test_an_adapter_that_cannot_be_imported_says_what_to_do(
    packages: Packages, text: str, remedy: str
) -> None:
    """Only a missing library is mended by installing the extra."""
    packages.write("impl", text)
    offer = packages.offer("one", spec("vault", "magnus_test_impl:Vault", extra="one-package[vendor]"))
    with pytest.raises(ServiceError) as caught:
        AdapterManager([offer]).load("secrets", "vault")
    assert str(caught.value).endswith(remedy)
    assert "one-package 1.0" in str(caught.value)


@pytest.mark.parametrize(
    ("port", "name", "said"),
    [
        ("executor", "local-container", "pip install 'magnus-executor-container'"),
        ("run_log_store", "sql", "pip install 'magnus-stores[sql]'"),
        ("secrets", "do-noting", "Did you mean 'do-nothing'?"),
        ("executor", "elsewhere", "installed: none"),
        ("task type", "pyton", "Did you mean 'python'?"),
    ],
)
def test_an_unknown_name_is_answered_with_what_to_do(port: str, name: str, said: str) -> None:
    """The package that offers it, the nearest spelling, or what there is."""
    with pytest.raises(ConfigurationError, match=f"no {port} '{name}'") as caught:
        AdapterManager([CORE]).load(port, name)
    assert said in str(caught.value)


def test_the_rule_of_another_package_is_loaded_like_an_adapter(packages: Packages) -> None:
    """With the same checks."""
    source = packages.offer(
        "one",
        f"IntegrationSpec('local', 'secrets', 'vault', 'magnus.ports.secrets:Secrets', {PORT_API})",
        hook="magnus_integrations",
    )
    manager = AdapterManager([source])
    (offer,) = manager.integrations().values()
    with pytest.raises(
        ConfigurationError, match=r"not a subclass of magnus\.ports\.integration\.Integration"
    ):
        manager.load_integration(offer)
