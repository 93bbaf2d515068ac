"""Runs a compiled pipeline by kfp's own runner for this machine, in real containers; a program of its own.

    python kubeflow_runner.py PIPELINE ROOT ARGUMENTS ENVIRONMENT

The last two are JSON objects: the pipeline's parameters, and variables of all containers. Exits with 1 if the pipeline failed.

kfp lets the engine remove containers, and takes one that was removed before it looked for a success, whatever its exit code
was. Here they stay until it has looked. Before each container kfp lists all images, which fails if another process removes one
at that moment; then they are listed anew.
"""

from __future__ import annotations

import json
import sys
import warnings
from contextlib import suppress
from typing import Any

import docker
from docker.errors import ImageNotFound
from docker.models.containers import Container, ContainerCollection
from docker.models.images import ImageCollection

warnings.simplefilter("ignore")


def keep_containers() -> None:
    """Let containers stay until kfp has seen their exit code."""
    run, wait = ContainerCollection.run, Container.wait

    def run_and_keep(self: ContainerCollection, *arguments: Any, **options: Any) -> Any:
        return run(self, *arguments, **{**options, "auto_remove": False})

    def wait_and_remove(self: Container, *arguments: Any, **options: Any) -> Any:
        end = wait(self, *arguments, **options)
        self.remove()
        return end

    ContainerCollection.run = run_and_keep  # type: ignore[method-assign]
    Container.wait = wait_and_remove  # type: ignore[method-assign]


def list_images_again() -> None:
    """List images anew when one of them has been removed meanwhile."""
    listed = ImageCollection.list

    def list_until_all_are_there(self: ImageCollection, *arguments: Any, **options: Any) -> Any:
        while True:
            with suppress(ImageNotFound):
                return listed(self, *arguments, **options)

    ImageCollection.list = list_until_all_are_there  # type: ignore[method-assign]


def main(pipeline: str, root: str, arguments: str, environment: str) -> int:
    """Run the pipeline, and return the exit code."""
    from kfp import components, local

    docker.from_env().close()  # says at once if there is no engine
    keep_containers()
    list_images_again()
    runner = local.DockerRunner(network_mode="host", environment=json.loads(environment))
    local.init(runner=runner, pipeline_root=root, raise_on_error=True)
    try:
        components.load_component_from_file(pipeline)(**json.loads(arguments))
    except RuntimeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
