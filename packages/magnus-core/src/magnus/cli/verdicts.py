"""Prints verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus.cli.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnus.engine.integration import Finding


def print_findings(findings: Sequence[Finding]) -> None:
    """Print one line for each verdict."""
    rows = []
    for finding in findings:
        places = f" (asked for by {', '.join(finding.places)})" if finding.places else ""
        remedy = f"; {finding.verdict.remedy}" if finding.verdict.remedy else ""
        why = f"{finding.verdict.reason}{places}{remedy}"
        rows.append([finding.verdict.judgement, finding.executor, finding.subject, finding.name, why])
    print_table(["VERDICT", "EXECUTOR", "WITH", "NAME", "WHY"], rows)


def finding_dict(finding: Finding) -> dict[str, Any]:
    """Return the JSON form of a verdict."""
    return {
        "executor": finding.executor,
        "subject": finding.subject,
        "name": finding.name,
        "verdict": finding.verdict.judgement,
        "reason": finding.verdict.reason,
        "remedy": finding.verdict.remedy,
        "places": list(finding.places),
    }
