"""Broken files, and the whole of what is said about each."""

# ruff: noqa: E501 - a message is compared in one piece, as a person sees it

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from magnus.definition.config import load_config
from magnus.definition.pipeline import load_pipeline
from magnus.definition.placeholders import NodeOptions
from magnus.errors import MagnusError

if TYPE_CHECKING:
    from pathlib import Path

    from magnus.plugins.manager import AdapterManager

NODE_TYPES = "as-is, dag, fail, map, parallel, stub, success, task"
TASK_KEYS = "type, command, command_type, command_config, catalog, retry, timeout, resources, next, on_failure, executor_config"
OPTIONS = "enable_parallel, placeholders, k1, k2, k3, max_workers, environment, limits"

GOOD = "type: task, command: m.f, next: done"


def one(step: str, *more: str) -> str:
    """Return a pipeline whose step `a`, on line 4, is written as *step*; lines of *more* steps follow it."""
    lines = [
        f"    a: {{{step}}}",
        *(f"    {line}" for line in more),
        "    done: {type: success}",
        "    failed: {type: fail}",
    ]
    return "\n".join(["dag:", "  start_at: a", "  steps:", *lines, ""])


class Broken(NamedTuple):
    """Files that cannot be used.

    Attributes:
        name: What is wrong.
        files: The content of each file.
        messages: All that is said, a line each.
        depends_on_adapters: Whether the text lists what is installed, or options of the adapters made for these tests.
        is_no_mistake_here: Whether the adapter that is missing among those made for these tests may well be installed.
        found_by_adapters: Whether the mistake is one in the options of the default adapters, which must be installed.
    """

    name: str
    files: dict[str, Any]
    messages: list[str]
    depends_on_adapters: bool = False
    found_by_adapters: bool = False
    is_no_mistake_here: bool = False

    def write(self, folder: Path) -> None:
        """Write the files into *folder*."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    @property
    def config_file(self) -> str | None:
        """The configuration file that is named."""
        return (
            "config.yaml"
            if "config.yaml" in self.files or self.name == "configuration that is missing"
            else None
        )


BROKEN = [
    Broken(
        "misspelt key of a step",
        {"pipeline.yaml": one("type: task, comand: m.f, next: done")},
        [
            f"pipeline.yaml:4:21: step 'a': unknown key 'comand'; a node of type 'task' takes {TASK_KEYS}. Did you mean 'command'?"
        ],
    ),
    Broken(
        "misspelt next",
        {"pipeline.yaml": one("type: task, command: m.f, nxt: done")},
        [
            f"pipeline.yaml:4:35: step 'a': unknown key 'nxt'; a node of type 'task' takes {TASK_KEYS}. Did you mean 'next'?"
        ],
    ),
    Broken(
        "misspelt type key",
        {"pipeline.yaml": one("typ: task, command: m.f, next: done")},
        [
            f"pipeline.yaml:4:8: step 'a' lacks the key 'type'; it is one of {NODE_TYPES}. Did you mean 'type' by 'typ'?"
        ],
    ),
    Broken(
        "unknown node type",
        {"pipeline.yaml": one("type: tsk, command: m.f, next: done")},
        [f"pipeline.yaml:4:15: step 'a': no node type 'tsk'; installed: {NODE_TYPES}. Did you mean 'task'?"],
    ),
    Broken(
        "misspelt success",
        {"pipeline.yaml": one(GOOD).replace("success", "sucess")},
        [
            f"pipeline.yaml:5:18: step 'done': no node type 'sucess'; installed: {NODE_TYPES}. Did you mean 'success'?"
        ],
    ),
    Broken(
        "node type that is no text",
        {"pipeline.yaml": one("type: [task], command: m.f, next: done")},
        ["pipeline.yaml:4:15: step 'a': 'type' is a list; expected the name of a node type"],
    ),
    Broken(
        "unknown task type",
        {"pipeline.yaml": one(GOOD + ", command_type: shel")},
        [
            "pipeline.yaml:4:61: step 'a': no task type 'shel'; installed: notebook, python, python-lambda, shell. Did you mean 'shell'?"
        ],
        depends_on_adapters=True,
    ),
    Broken(
        "command that is a list",
        {"pipeline.yaml": one("type: task, command: [m.f], next: done")},
        ["pipeline.yaml:4:30: step 'a': 'command' is a list; expected text"],
    ),
    Broken(
        "empty command",
        {"pipeline.yaml": one("type: task, command: ' ', next: done")},
        ["pipeline.yaml:4:30: step 'a': 'command' is empty; expected text"],
    ),
    Broken(
        "task without command",
        {"pipeline.yaml": one("type: task, next: done")},
        ["pipeline.yaml:4:8: step 'a' lacks the key 'command', which a node of type 'task' needs"],
    ),
    Broken(
        "python command without a module",
        {"pipeline.yaml": one("type: task, command: 'my function', next: done")},
        [
            "pipeline.yaml:4:30: step 'a': 'command': 'my function' is not a dotted name; write module.function, as in 'my_module.my_function'"
        ],
    ),
    Broken(
        "lambda with a syntax error",
        {"pipeline.yaml": one("type: task, command_type: python-lambda, command: 'lambda x: (', next: done")},
        [
            "pipeline.yaml:4:59: step 'a': 'command': this is no Python expression ('(' was never closed); write a lambda, as in 'lambda x: {\"y\": x + 1}'"
        ],
    ),
    Broken(
        "option that a task type does not have",
        {"pipeline.yaml": one(GOOD + ", command_config: {colour: red}")},
        ["pipeline.yaml:4:64: step 'a': 'command_config': unknown key 'colour'; it takes none"],
    ),
    Broken(
        "retry as text",
        {"pipeline.yaml": one(GOOD + ", retry: three")},
        [
            "pipeline.yaml:4:54: step 'a': 'retry' is text ('three'); expected a whole number of at least 1 or a mapping"
        ],
    ),
    Broken(
        "retry of nothing",
        {"pipeline.yaml": one(GOOD + ", retry: 0")},
        [
            "pipeline.yaml:4:54: step 'a': 'retry' is a whole number (0); expected a whole number of at least 1"
        ],
    ),
    Broken(
        "misspelt key in retry",
        {"pipeline.yaml": one(GOOD + ", retry: {max_atempts: 3}")},
        [
            "pipeline.yaml:4:55: step 'a': 'retry': unknown key 'max_atempts'; known are max_attempts, backoff, retry_on. Did you mean 'max_attempts'?"
        ],
    ),
    Broken(
        "backoff that shrinks",
        {"pipeline.yaml": one(GOOD + ", retry: {max_attempts: 3, backoff: {factor: 0.5, jitter: 2}}")},
        [
            "pipeline.yaml:4:90: step 'a': 'retry': 'backoff': 'factor' is a number (0.5); expected a number of at least 1",
            "pipeline.yaml:4:103: step 'a': 'retry': 'backoff': 'jitter' is a whole number (2); expected a number from 0 to 1",
        ],
    ),
    Broken(
        "retry on something that is no failure",
        {"pipeline.yaml": one(GOOD + ", retry: {max_attempts: 3, retry_on: [OSError, 'exit 3']}")},
        [
            "pipeline.yaml:4:92: step 'a': 'retry': 'retry_on' holds 'exit 3', which names no failure; expected the name of an exception class, 'timeout', or 'exit:' with a code"
        ],
    ),
    Broken(
        "timeout with a unit",
        {"pipeline.yaml": one(GOOD + ", timeout: 5m")},
        ["pipeline.yaml:4:56: step 'a': 'timeout' is text ('5m'); expected a number above 0"],
    ),
    Broken(
        "timeout of nothing",
        {"pipeline.yaml": one(GOOD + ", timeout: 0")},
        ["pipeline.yaml:4:56: step 'a': 'timeout' is a whole number (0); expected a number above 0"],
    ),
    Broken(
        "timeout without end",
        {"pipeline.yaml": one(GOOD + ", timeout: .inf")},
        ["pipeline.yaml:4:56: step 'a': 'timeout' is a number (inf); expected a number above 0"],
    ),
    Broken(
        "memory in an unknown unit",
        {"pipeline.yaml": one(GOOD + ", resources: {memory: 2 gigs}")},
        [
            "pipeline.yaml:4:67: step 'a': 'resources': 'memory' is '2 gigs'; expected a number above 0 with one of the units B, Ki, KiB, Mi, MiB, Gi, GiB, Ti, TiB, KB, MB, GB, TB, kB"
        ],
    ),
    Broken(
        "shared memory without a unit",
        {"pipeline.yaml": one(GOOD + ", resources: {memory: 1GiB, shm: '64'}")},
        [
            "pipeline.yaml:4:78: step 'a': 'resources': 'shm' is '64'; expected a number above 0 with one of the units B, Ki, KiB, Mi, MiB, Gi, GiB, Ti, TiB, KB, MB, GB, TB, kB"
        ],
    ),
    Broken(
        "no shared memory",
        {"pipeline.yaml": one(GOOD + ", resources: {shm: 0}")},
        [
            "pipeline.yaml:4:64: step 'a': 'resources': 'shm' is a whole number (0); expected a whole number of at least 1"
        ],
    ),
    Broken(
        "half a gpu",
        {"pipeline.yaml": one(GOOD + ", resources: {gpu: 0.5}")},
        [
            "pipeline.yaml:4:64: step 'a': 'resources': 'gpu' is a number (0.5); expected a whole number of at least 0"
        ],
    ),
    Broken(
        "catalog that is a list",
        {"pipeline.yaml": one(GOOD + ", catalog: [a.csv]")},
        ["pipeline.yaml:4:56: step 'a': 'catalog' is a list; expected a mapping"],
    ),
    Broken(
        "pattern that is no list",
        {"pipeline.yaml": one(GOOD + ", catalog: {put: a.csv}")},
        ["pipeline.yaml:4:62: step 'a': 'catalog': 'put' is text ('a.csv'); expected a list, each item text"],
    ),
    Broken(
        "pattern that leads out",
        {"pipeline.yaml": one(GOOD + ", catalog: {put: [a.csv, ../b.csv]}")},
        [
            "pipeline.yaml:4:70: step 'a': 'catalog': 'put': the pattern '../b.csv' leads out of the compute data folder; leave out '..'"
        ],
    ),
    Broken(
        "absolute pattern",
        {"pipeline.yaml": one(GOOD + ", catalog: {get: [/etc/passwd]}")},
        [
            "pipeline.yaml:4:63: step 'a': 'catalog': 'get': the pattern '/etc/passwd' is not relative to the compute data folder; write it without its beginning"
        ],
    ),
    Broken(
        "pattern with an open bracket",
        {"pipeline.yaml": one(GOOD + ", catalog: {get: ['a[b']}")},
        [
            "pipeline.yaml:4:63: step 'a': 'catalog': 'get': the pattern 'a[b' has a '[' that no ']' closes; close it, or write '[[]' for the character"
        ],
    ),
    Broken(
        "pattern with stars inside a part",
        {"pipeline.yaml": one(GOOD + ", catalog: {get: ['a**/b']}")},
        [
            "pipeline.yaml:4:63: step 'a': 'catalog': 'get': the pattern 'a**/b' has '**' inside a part; '**' stands alone between slashes, '*' within a name"
        ],
    ),
    Broken(
        "both spellings of executor_config",
        {"pipeline.yaml": one(GOOD + ", mode_config: {k1: a}, executor_config: {k1: b}")},
        [
            "pipeline.yaml:4:47: step 'a': 'mode_config' is the older spelling of 'executor_config'; keep one of them"
        ],
    ),
    Broken(
        "executor_config without value",
        {"pipeline.yaml": one(GOOD + ", executor_config: ")},
        ["pipeline.yaml:4:64: step 'a': 'executor_config' is nothing (null); expected a mapping"],
    ),
    Broken(
        "success with a key",
        {"pipeline.yaml": one(GOOD).replace("success", "success, next: a")},
        [
            "pipeline.yaml:5:27: step 'done': unknown key 'next'; a node of type 'success' takes no key besides 'type'"
        ],
    ),
    Broken(
        "missing next",
        {"pipeline.yaml": one("type: task, command: m.f")},
        ["pipeline.yaml:4:8: step 'a' lacks the key 'next', which a node of type 'task' needs"],
    ),
    Broken(
        "next that does not exist",
        {"pipeline.yaml": one("type: task, command: m.f, next: dona")},
        ["pipeline.yaml:4:5: step 'a': next names 'dona', which is not a step. Did you mean 'done'?"],
    ),
    Broken(
        "on_failure that does not exist",
        {"pipeline.yaml": one(GOOD + ", on_failure: cleanup")},
        [
            "pipeline.yaml:4:5: step 'a': on_failure names 'cleanup', which is not a step; the steps are 'a', 'done', 'failed'"
        ],
    ),
    Broken(
        "start that does not exist",
        {"pipeline.yaml": one(GOOD).replace("start_at: a", "start_at: first")},
        [
            "pipeline.yaml:2:3: start_at names 'first', which is not a step; the steps are 'a', 'done', 'failed'"
        ],
    ),
    Broken(
        "start that is a number",
        {"pipeline.yaml": one(GOOD).replace("start_at: a", "start_at: 1")},
        ["pipeline.yaml:2:13: dag: 'start_at' is a whole number (1); expected text"],
    ),
    Broken(
        "no start",
        {"pipeline.yaml": one(GOOD).replace("  start_at: a\n", "")},
        ["pipeline.yaml:2:3: dag lacks the key 'start_at'"],
    ),
    Broken(
        "cycle",
        {"pipeline.yaml": one("type: task, command: m.f, next: b", "b: {type: as-is, next: a}")},
        [
            "pipeline.yaml:5:5: the steps form a cycle: a -> b -> a",
            "pipeline.yaml:6:5: step 'done' is never reached; lead there by 'next' or 'on_failure', or remove it",
        ],
    ),
    Broken(
        "step that leads to itself",
        {"pipeline.yaml": one("type: task, command: m.f, next: a")},
        [
            "pipeline.yaml:4:5: the steps form a cycle: a -> a",
            "pipeline.yaml:5:5: step 'done' is never reached; lead there by 'next' or 'on_failure', or remove it",
        ],
    ),
    Broken(
        "step that is never reached",
        {"pipeline.yaml": one(GOOD, "b: {type: as-is, next: done}")},
        ["pipeline.yaml:5:5: step 'b' is never reached; lead there by 'next' or 'on_failure', or remove it"],
    ),
    Broken(
        "two success nodes",
        {"pipeline.yaml": one(GOOD + ", on_failure: fine", "fine: {type: success}")},
        [
            "pipeline.yaml:6:5: 'done' is a second node of type 'success' beside 'fine'; a graph has exactly one"
        ],
    ),
    Broken(
        "no fail node",
        {"pipeline.yaml": one(GOOD).replace("    failed: {type: fail}\n", "")},
        ["pipeline.yaml:2:3: the graph has no node of type 'fail'; it needs exactly one"],
    ),
    Broken(
        "duplicate step",
        {"pipeline.yaml": one(GOOD, "a: {type: as-is, next: done}")},
        ["pipeline.yaml:5:5: the key 'a' is there twice, first at 4:5; remove or rename one"],
    ),
    Broken(
        "dot in a name",
        {"pipeline.yaml": one(GOOD + ", on_failure: a.b", "a.b: {type: as-is, next: done}")},
        [
            "pipeline.yaml:5:5: dag: the name 'a.b' holds '.' or '%', which separate and encode the parts of a step's name; leave them out",
        ],
    ),
    Broken(
        "step without value",
        {"pipeline.yaml": one(GOOD).replace("{type: task, command: m.f, next: done}", "")},
        ["pipeline.yaml:4:7: step 'a' is nothing (null); expected a mapping with 'type'"],
    ),
    Broken(
        "number as a name",
        {"pipeline.yaml": one(GOOD, "1: {type: as-is, next: done}")},
        ["pipeline.yaml:5:5: the name '1' is read as a number; put it in quotes: \"1\""],
    ),
    Broken(
        "step that is text",
        {"pipeline.yaml": one(GOOD, "b: task")},
        ["pipeline.yaml:5:8: step 'b' is text ('task'); expected a mapping with 'type'"],
    ),
    Broken(
        "steps as a list",
        {"pipeline.yaml": "dag:\n  start_at: a\n  steps:\n    - type: task\n"},
        ["pipeline.yaml:4:5: dag: 'steps' is a list; expected a mapping"],
    ),
    Broken(
        "no steps",
        {"pipeline.yaml": "dag:\n  start_at: a\n  steps: {}\n"},
        ["pipeline.yaml:3:10: dag: 'steps' is empty; expected the steps by name"],
    ),
    Broken(
        "max_time below zero",
        {"pipeline.yaml": one(GOOD).replace("  start_at", "  max_time: -1\n  start_at")},
        ["pipeline.yaml:2:13: dag: 'max_time' is a whole number (-1); expected a number above 0"],
    ),
    Broken(
        "misspelt dag",
        {"pipeline.yaml": "dga: {}\n"},
        [
            "pipeline.yaml:1:1: the file: unknown key 'dga'; known are dag, executor, run_log_store, catalog, secrets, experiment_tracker. Did you mean 'dag'?"
        ],
    ),
    Broken(
        "dag without value",
        {"pipeline.yaml": "dag:\n"},
        ["pipeline.yaml:1:5: dag is nothing (null); expected a mapping with 'start_at' and 'steps'"],
    ),
    Broken(
        "file that is a list",
        {"pipeline.yaml": "- dag\n"},
        ["pipeline.yaml:1:1: the file holds a list; expected a mapping with 'dag'"],
    ),
    Broken(
        "empty file",
        {"pipeline.yaml": "# nothing\n"},
        ["pipeline.yaml:1:1: the file is empty; expected `name: value` lines"],
    ),
    Broken(
        "binary file",
        {"pipeline.yaml": b"\x7fELF\x02\x01\x01\x00"},
        [
            "pipeline.yaml:1:8: a zero byte at offset 7; expected a text file, and this looks like a binary one"
        ],
    ),
    Broken(
        "broken YAML",
        {"pipeline.yaml": "dag: {a: [1, 2\n"},
        [
            "pipeline.yaml:1:10: the list that `[` opens here has no `,` or `]` at 2:1; add it, or put the value there in quotes"
        ],
    ),
    Broken(
        "missing file",
        {},
        ["pipeline.yaml: no such file; check the name, and the folder that it is relative to"],
    ),
    Broken(
        "tab",
        {"pipeline.yaml": "dag:\n\tstart_at: a\n"},
        ["pipeline.yaml:2:1: a tab stands where YAML allows only spaces; indent with spaces"],
    ),
    Broken(
        "object tag",
        {"pipeline.yaml": one("type: task, command: !!python/name:os.system , next: done")},
        [
            "pipeline.yaml:4:30: the tag '!!python/name:os.system' is not one of those that fit here (!!str, !!int, !!float, !!bool, !!null, !!map, !!seq); remove it, or put text in quotes"
        ],
    ),
    Broken(
        "variable without a value",
        {"pipeline.yaml": one("type: task, command: '${MODULE}.f', next: done")},
        [
            "pipeline.yaml:4:30: the variable ${MODULE} has no value; set the environment variable MAGNUS_VAR_MODULE"
        ],
    ),
    Broken(
        "variable without a value beside a shell command",
        {
            "pipeline.yaml": one(
                "type: task, command_type: shell, command: 'echo ${HOME}', timeout: '${LIMIT}', next: done"
            )
        },
        [
            "pipeline.yaml:4:76: the variable ${LIMIT} has no value; set the environment variable MAGNUS_VAR_LIMIT"
        ],
    ),
    Broken(
        "composite with a command",
        {"pipeline.yaml": one("type: parallel, command: m.f, retry: 2, branches: {}, next: done")},
        [
            "pipeline.yaml:4:25: step 'a': a node of type 'parallel' does not take 'command'; put it on the tasks inside",
            "pipeline.yaml:4:39: step 'a': a node of type 'parallel' does not take 'retry'; put it on the tasks inside",
            "pipeline.yaml:4:59: step 'a': 'branches' is empty; expected a mapping of names to graphs",
        ],
    ),
    Broken(
        "parallel without branches",
        {"pipeline.yaml": one("type: parallel, next: done")},
        ["pipeline.yaml:4:8: step 'a' lacks the key 'branches', which a node of type 'parallel' needs"],
    ),
    Broken(
        "branch that is a list",
        {"pipeline.yaml": one("type: parallel, branches: {x: []}, next: done")},
        [
            "pipeline.yaml:4:39: step 'a', branch 'x' is a list; expected a mapping with 'start_at' and 'steps'"
        ],
    ),
    Broken(
        "mistake in a branch",
        {
            "pipeline.yaml": one(
                "type: parallel, branches: {x: {start_at: b, steps: {b: {type: task, command: m.f, next: end}, done: {type: success}, failed: {type: fail}}}}, next: done"
            )
        },
        [
            "pipeline.yaml:4:61: step 'b': next names 'end', which is not a step; the steps are 'b', 'done', 'failed'"
        ],
    ),
    Broken(
        "map without item name",
        {
            "pipeline.yaml": one(
                "type: map, iterate_on: xs, branch: {start_at: d, steps: {d: {type: success}, f: {type: fail}}}, next: done"
            )
        },
        ["pipeline.yaml:4:8: step 'a' lacks the key 'iterate_as', which a node of type 'map' needs"],
    ),
    Broken(
        "map with no concurrency",
        {
            "pipeline.yaml": one(
                "type: map, iterate_on: xs, iterate_as: x, max_concurrency: 0, branch: {start_at: d, steps: {d: {type: success}, f: {type: fail}}}, next: done"
            )
        },
        [
            "pipeline.yaml:4:68: step 'a': 'max_concurrency' is a whole number (0); expected a whole number of at least 1"
        ],
    ),
    Broken(
        "maps with one item name",
        {
            "pipeline.yaml": one(
                "type: map, iterate_on: xs, iterate_as: x, branch: {start_at: m, steps: {m: {type: map, iterate_on: ys, iterate_as: x, branch: {start_at: d, steps: {d: {type: success}, f: {type: fail}}}, next: d}, d: {type: success}, f: {type: fail}}}, next: done"
            )
        },
        [
            "pipeline.yaml:4:124: step 'a', branch, step 'm': 'iterate_as': the name 'x' is that of the item of a map around this one; choose another"
        ],
    ),
    Broken(
        "dag file that is missing",
        {"pipeline.yaml": one("type: dag, dag_definition: inner.yaml, next: done")},
        [
            "pipeline.yaml:4:36: step 'a': 'dag_definition' names inner.yaml: no such file; check the name, and the folder that it is relative to"
        ],
    ),
    Broken(
        "dag files that include each other",
        {
            "pipeline.yaml": one("type: dag, dag_definition: inner.yaml, next: done"),
            "inner.yaml": one("type: dag, dag_definition: pipeline.yaml, next: done"),
        },
        [
            "inner.yaml:4:36: step 'a': 'dag_definition' leads back to a file that is being read: pipeline.yaml -> inner.yaml -> pipeline.yaml; remove it from one of them"
        ],
    ),
    Broken(
        "mistake in a dag file",
        {
            "pipeline.yaml": one("type: dag, dag_definition: sub/inner.yaml, next: done"),
            "sub/inner.yaml": one("type: task, command: 5, next: done"),
        },
        ["sub/inner.yaml:4:30: step 'a': 'command' is a whole number (5); expected text"],
    ),
    Broken(
        "dag node without a file",
        {"pipeline.yaml": one("type: dag, next: done")},
        ["pipeline.yaml:4:8: step 'a' lacks the key 'dag_definition', the file that holds its graph"],
    ),
    Broken(
        "several mistakes",
        {"pipeline.yaml": one("type: task, comand: m.f, next: done, timeout: x", "b: {type: tsk}")},
        [
            f"pipeline.yaml:4:21: step 'a': unknown key 'comand'; a node of type 'task' takes {TASK_KEYS}. Did you mean 'command'?",
            "pipeline.yaml:4:55: step 'a': 'timeout' is text ('x'); expected a number above 0",
            f"pipeline.yaml:5:15: step 'b': no node type 'tsk'; installed: {NODE_TYPES}. Did you mean 'task'?",
        ],
    ),
    Broken(
        "configuration that is missing",
        {"pipeline.yaml": one(GOOD)},
        ["config.yaml: no such file; check the name, and the folder that it is relative to"],
    ),
    Broken(
        "unknown executor",
        {"pipeline.yaml": one(GOOD), "config.yaml": "executor: {type: locl}\n"},
        ["config.yaml:1:18: no executor 'locl'; installed: local, local-container. Did you mean 'local'?"],
        depends_on_adapters=True,
    ),
    Broken(
        "executor of another package",
        {"pipeline.yaml": one(GOOD), "config.yaml": "executor: {type: argo}\n"},
        [
            "config.yaml:1:18: no executor 'argo'; installed: local, local-container. It comes with magnus-executor-argo: pip install 'magnus-executor-argo'"
        ],
        depends_on_adapters=True,
        is_no_mistake_here=True,
    ),
    Broken(
        "misspelt block",
        {"pipeline.yaml": one(GOOD), "config.yaml": "exectutor: {type: local}\n"},
        [
            "config.yaml:1:1: the file: unknown key 'exectutor'; known are executor, run_log_store, catalog, secrets, experiment_tracker. Did you mean 'executor'?"
        ],
    ),
    Broken(
        "misspelt key in a block",
        {"pipeline.yaml": one(GOOD), "config.yaml": "executor:\n  type: local\n  conf: {}\n"},
        ["config.yaml:3:3: 'executor': unknown key 'conf'; known are type, config. Did you mean 'config'?"],
    ),
    Broken(
        "block without type",
        {"pipeline.yaml": one(GOOD), "config.yaml": "secrets:\n  config: {}\n"},
        ["config.yaml:2:3: 'secrets' lacks the key 'type'"],
    ),
    Broken(
        "block without value",
        {"pipeline.yaml": one(GOOD), "config.yaml": "executor:\n"},
        ["config.yaml:1:10: 'executor' is nothing (null); expected a mapping"],
    ),
    Broken(
        "misspelt option",
        {"pipeline.yaml": one(GOOD), "config.yaml": "executor:\n  type: local\n  config: {max_worker: 2}\n"},
        [
            f"config.yaml:3:12: 'executor' (local): 'config': unknown key 'max_worker'; known are {OPTIONS}. Did you mean 'max_workers'?"
        ],
        depends_on_adapters=True,
        found_by_adapters=True,
    ),
    Broken(
        "option of the wrong type",
        {
            "pipeline.yaml": one(GOOD),
            "config.yaml": "executor:\n  type: local\n  config: {enable_parallel: 'yes', max_workers: two}\n",
        },
        [
            "config.yaml:3:29: 'executor' (local): 'config': 'enable_parallel' is text; expected true or false",
            "config.yaml:3:49: 'executor' (local): 'config': 'max_workers' is text; expected a whole number",
        ],
        found_by_adapters=True,
    ),
    Broken(
        "options where there are none",
        {"pipeline.yaml": one(GOOD), "config.yaml": "secrets: {type: do-nothing, config: {a: 1}}\n"},
        ["config.yaml:1:38: 'secrets' (do-nothing): 'config': unknown key 'a'; it takes none"],
    ),
    Broken(
        "both spellings of a block",
        {"pipeline.yaml": one(GOOD), "config.yaml": "mode: {type: local}\nexecutor: {type: local}\n"},
        ["config.yaml:1:1: 'mode' is the older spelling of 'executor'; keep one of them"],
    ),
    Broken(
        "variable without a value in the configuration",
        {"pipeline.yaml": one(GOOD), "config.yaml": "executor: {type: '${WHERE}'}\n"},
        [
            "config.yaml:1:18: the variable ${WHERE} has no value; set the environment variable MAGNUS_VAR_WHERE"
        ],
    ),
    Broken(
        "duplicate block",
        {
            "pipeline.yaml": one(GOOD),
            "config.yaml": "secrets: {type: do-nothing}\nsecrets: {type: do-nothing}\n",
        },
        ["config.yaml:2:1: the key 'secrets' is there twice, first at 1:1; remove or rename one"],
    ),
    Broken(
        "empty configuration",
        {"pipeline.yaml": one(GOOD), "config.yaml": ""},
        ["config.yaml:1:1: the file is empty; expected `name: value` lines"],
    ),
    Broken(
        "unknown adapter in the pipeline file",
        {"pipeline.yaml": one(GOOD) + "catalog: {type: file-systm}\n"},
        [
            "pipeline.yaml:7:17: no catalog 'file-systm'; installed: do-nothing, file-system. Did you mean 'file-system'?"
        ],
        depends_on_adapters=True,
    ),
    Broken(
        "defaults in a named file",
        {"pipeline.yaml": one(GOOD), "config.yaml": "defaults: {secrets: {type: do-nothing}}\n"},
        [
            "config.yaml:1:1: the file: unknown key 'defaults'; known are executor, run_log_store, catalog, secrets, experiment_tracker"
        ],
    ),
    Broken(
        "placeholder that does not exist",
        {
            "pipeline.yaml": one(GOOD + ", executor_config: {local: {max_workers: }}"),
            "config.yaml": "executor: {type: local, config: {placeholders: {many_workers: {max_workers: 8}}}}\n",
        },
        [
            "pipeline.yaml:4:86: step 'a': 'executor_config': 'local': 'max_workers' has no value, and the executor's configuration has no placeholder of that name; give it a value, or add the placeholder (there are: many_workers). Did you mean 'many_workers'?"
        ],
        found_by_adapters=True,
    ),
    Broken(
        "unknown override",
        {"pipeline.yaml": one(GOOD + ", executor_config: {local: {max_worker: 3}}")},
        [
            f"pipeline.yaml:4:73: step 'a': 'executor_config': 'local': unknown key 'max_worker'; the executor 'local' takes {OPTIONS}. Did you mean 'max_workers'?"
        ],
        depends_on_adapters=True,
        found_by_adapters=True,
    ),
    Broken(
        "override of the wrong type",
        {"pipeline.yaml": one(GOOD + ", executor_config: {max_workers: many}")},
        ["pipeline.yaml:4:78: step 'a': 'executor_config': 'max_workers' is text; expected a whole number"],
        found_by_adapters=True,
    ),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_every_mistake_is_told_with_its_place_and_a_remedy(
    broken: Broken, adapters: AdapterManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole message is compared: file, line, column, what was found, what would do."""
    broken.write(tmp_path)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(MagnusError) as caught:
        _load(broken.config_file, adapters)

    assert str(caught.value).splitlines() == broken.messages
    assert caught.value.exit_code == 2


# typer, when it is imported first, uses names that the newest click is about to drop.
@pytest.mark.filterwarnings("ignore:'click:DeprecationWarning")
@pytest.mark.parametrize(
    "broken", [each for each in BROKEN if not each.is_no_mistake_here], ids=lambda broken: broken.name
)
def test_the_command_line_says_the_same_and_leaves_nothing_behind(
    broken: Broken,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    """Exit code 2, everything on stderr, no traceback, no file; here with whatever adapters are installed."""
    from magnus.cli.app import main

    if broken.found_by_adapters:
        request.getfixturevalue("default_adapters")
    broken.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    config = [] if broken.config_file is None else ["-c", broken.config_file]

    exit_code = main(["execute", "-f", "pipeline.yaml", *config])

    printed = capsys.readouterr()
    assert exit_code == 2
    assert printed.out == ""
    assert "Traceback" not in printed.err
    for message in broken.messages:
        assert (message.partition(": ")[0] if broken.depends_on_adapters else message) in printed.err
    assert sorted(tmp_path.rglob("*")) == before


def _load(config_file: str | None, adapters: AdapterManager) -> None:
    pipeline = load_pipeline("pipeline.yaml", environ={}, adapters=adapters)
    config = load_config(config_file, environ={}, adapters=adapters, pipeline_blocks=pipeline.blocks)
    NodeOptions(config.executor, adapters.offers("executor")).check(pipeline.graph)
