"""The names that a new adapter has in its package."""

from __future__ import annotations

import re
from dataclasses import dataclass

from magnus.errors import ConfigurationError

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_CLASS_ENDINGS = {
    "catalog": "Catalog",
    "run_log_store": "RunLogStore",
    "secrets": "Secrets",
    "experiment_tracker": "ExperimentTracker",
    "executor": "Executor",
}
_HOOKS = {
    "catalog": "magnus_catalogs",
    "run_log_store": "magnus_run_log_stores",
    "secrets": "magnus_secrets",
    "experiment_tracker": "magnus_experiment_trackers",
    "executor": "magnus_executors",
}


@dataclass(frozen=True, slots=True)
class AdapterNames:
    """All names, made from two.

    Attributes:
        name: What configurations call it.
        port: What it is an adapter for.
    """

    name: str
    port: str

    def __post_init__(self) -> None:
        """Refuse a name that packages, modules or classes cannot have.

        Raises:
            ConfigurationError: The message says what would do.
        """
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(
                f"the name '{self.name}' cannot be used: it takes small letters and digits, in words joined by '-', "
                "and begins with a letter; such as 'my-bucket'"
            )

    @property
    def distribution(self) -> str:
        """The name of the package."""
        return f"magnus-{self.port.replace('_', '-')}-{self.name}"

    @property
    def package(self) -> str:
        """What the package is imported as."""
        return self.distribution.replace("-", "_")

    @property
    def class_name(self) -> str:
        """The name of the adapter's class."""
        return "".join(word.capitalize() for word in self.name.split("-")) + _CLASS_ENDINGS[self.port]

    @property
    def in_templates(self) -> dict[str, str]:
        """What stands for the names in the templates."""
        return {
            "name": self.name,
            "port": self.port,
            "distribution": self.distribution,
            "package": self.package,
            "class_name": self.class_name,
            "hook": _HOOKS[self.port],
        }
