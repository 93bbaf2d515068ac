"""Offers what comes with the core; it registers like anyone else."""

from __future__ import annotations

from magnus.plugins import AdapterSpec, hookimpl


@hookimpl
def magnus_run_log_stores() -> list[AdapterSpec]:
    """Offer the store that lives as long as its process."""
    return [AdapterSpec("buffered", "magnus.builtin.buffered:BufferedRunLogStore", port_api=1)]


@hookimpl
def magnus_catalogs() -> list[AdapterSpec]:
    """Offer the catalog that keeps nothing."""
    return [AdapterSpec("do-nothing", "magnus.builtin.do_nothing:DoNothingCatalog", port_api=1)]


@hookimpl
def magnus_secrets() -> list[AdapterSpec]:
    """Offer the secrets manager that holds nothing."""
    return [AdapterSpec("do-nothing", "magnus.builtin.do_nothing:DoNothingSecrets", port_api=1)]


@hookimpl
def magnus_experiment_trackers() -> list[AdapterSpec]:
    """Offer the tracker that records nothing."""
    return [AdapterSpec("do-nothing", "magnus.builtin.do_nothing:DoNothingTracker", port_api=1)]


@hookimpl
def magnus_node_types() -> list[AdapterSpec]:
    """Offer the types of nodes."""
    module = "magnus.builtin.node_types"
    return [
        AdapterSpec("task", f"{module}:TaskNode", port_api=1),
        AdapterSpec("success", f"{module}:SuccessNode", port_api=1),
        AdapterSpec("fail", f"{module}:FailNode", port_api=1),
        AdapterSpec("as-is", f"{module}:AsIsNode", port_api=1),
        AdapterSpec("stub", f"{module}:AsIsNode", port_api=1),
        AdapterSpec("parallel", f"{module}:ParallelNode", port_api=1),
        AdapterSpec("map", f"{module}:MapNode", port_api=1),
        AdapterSpec("dag", f"{module}:DagNode", port_api=1),
    ]


@hookimpl
def magnus_task_types() -> list[AdapterSpec]:
    """Offer the types of tasks."""
    package = "magnus.builtin.task_types"
    return [
        AdapterSpec("python", f"{package}.python:PythonTask", port_api=1),
        AdapterSpec("python-lambda", f"{package}.python_lambda:PythonLambdaTask", port_api=1),
        AdapterSpec("shell", f"{package}.shell:ShellTask", port_api=1),
        AdapterSpec(
            "notebook", f"{package}.notebook:NotebookTask", port_api=1, extra="magnus-core[notebook]"
        ),
    ]
