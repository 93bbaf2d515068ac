"""`magnus integrations`."""

from __future__ import annotations

import typer

from magnus.cli.options import Json

app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def integrations(as_json: Json = False) -> None:
    """Judge every installed executor with every installed service, all with their default options.

    `magnus check` judges the options of a configuration.
    """
    from magnus.cli.json_output import print_json
    from magnus.cli.tables import remark
    from magnus.cli.verdicts import finding_dict, print_findings
    from magnus.plugins.discovery import find_plugins
    from magnus.plugins.manager import AdapterManager
    from magnus.usecases.integrations import judge_installed

    table = judge_installed(AdapterManager(find_plugins()))
    if as_json:
        findings = [finding_dict(finding) for finding in table.findings]
        unusable = [
            {"subject": problem.subject, "name": problem.name, "error": problem.error}
            for problem in table.unusable
        ]
        print_json({"integrations": findings, "unusable": unusable})
        return
    print_findings(table.findings)
    for problem in table.unusable:
        remark(f"not usable: {problem.subject} {problem.name}: {problem.error}")
