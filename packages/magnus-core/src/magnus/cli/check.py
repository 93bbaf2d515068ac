"""`magnus check`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from magnus.cli.options import ConfigFile, Json, ParametersFile, PipelineFile, Strict

app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)

REFUSED_EXIT_CODE = 2


@app.command()
def check(
    file: PipelineFile = "pipeline.yaml",
    config_file: ConfigFile = None,
    parameters_file: ParametersFile = None,
    strict: Strict = False,
    as_json: Json = False,
    iam: Annotated[
        bool,
        typer.Option(
            "--iam", help="Print what the identity of the compute must be allowed (for AWS an IAM policy)."
        ),
    ] = False,
) -> None:
    """Judge a pipeline with a configuration; nothing is run or made.

    Exits with 2 if something would be refused.
    """
    from magnus.cli.json_output import print_json
    from magnus.cli.tables import remark
    from magnus.cli.verdicts import finding_dict, print_findings
    from magnus.usecases.check import check as judge
    from magnus.usecases.outcome import Request

    request = Request(
        pipeline_file=file, config_file=config_file, parameters_file=parameters_file, strict=strict
    )
    report = judge(request, os.environ, wants_permissions=iam)
    if iam:
        if report.permissions:
            typer.echo(report.permissions)
        elif not report.refused:
            remark("where the steps run, they need no permissions that are known here")
    elif as_json:
        findings = [finding_dict(finding) for finding in report.findings]
        print_json({"refused": len(report.refused), "findings": findings})
    else:
        print_findings(report.findings)
    if report.refused:
        if iam:  # stdout is for the permissions alone
            for finding in report.refused:
                remark(f"refused: {finding}")
        remark(f"refused: {len(report.refused)} of {len(report.findings)}; this would not run")
        raise typer.Exit(REFUSED_EXIT_CODE)
