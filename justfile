# What a person types while working on magnus; `just` alone lists it. CI and pre-commit call the same recipes.

packages := "magnus-core magnus-executor-argo magnus-executor-awsbatch magnus-executor-container magnus-executor-kubeflow magnus-executor-local magnus-executor-stepfunctions magnus-stores"

[private]
default:
    @just --list

# Make .venv as uv.lock says: every package, extra and group.
sync:
    uv sync --locked --all-packages --all-extras --all-groups

# Write uv.lock anew; an index of this machine must not get into it.
lock *arguments:
    env -u UV_INDEX -u UV_DEFAULT_INDEX -u UV_INDEX_URL -u UV_EXTRA_INDEX_URL -u UV_FIND_LINKS uv lock {{ arguments }}

# Format the code and mend what ruff can mend.
format:
    uv run --no-sync ruff check --fix-only --quiet
    uv run --no-sync ruff format

# Check style and format; change nothing.
lint:
    uv run --no-sync ruff check
    uv run --no-sync ruff format --check

# Check types, strictly, each package by itself.
typecheck *names=packages:
    #!/usr/bin/env bash
    set -euo pipefail
    for name in {{ names }}; do
        echo "mypy: $name"
        MYPYPATH="packages/$name/src:packages/$name/tests/support:packages/$name" uv run --no-sync mypy --explicit-package-bases \
            "packages/$name/src" "packages/$name/tests"
    done

# Check that imports point inwards.
imports:
    uv run --no-sync lint-imports --no-logo

# Run the tests of the packages, or those that are named.
test *arguments="packages":
    uv run --no-sync pytest {{ arguments }}

# Run the packages together against real services.
test-integration *arguments:
    uv run --no-sync pytest tests-integration {{ arguments }}

# Try every dag on every orchestrator, and print the table of docs/targets.md.
targets:
    uv run --no-sync python tests-integration/target_outcomes.py

# All that a commit must pass, except the slow tests.
check: lint typecheck imports (test "-n" "auto" "--dist" "loadgroup" "-m" "'not slow'")

# Show what the next release notes of a package will say.
changelog name version:
    uv run --no-sync towncrier build --draft --version {{ version }} --dir packages/{{ name }} --config packages/{{ name }}/pyproject.toml
