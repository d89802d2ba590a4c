"""``prunekit check``: test whether an adapter fits a given model, check by check."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from prunekit.commands import options
from prunekit.commands.console import OUT
from prunekit.errors import PrunekitError

if TYPE_CHECKING:
    from prunekit.conformance.examine import Finding


def check(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A directory with a dense model, or a hub id.")],
    adapter: options.Adapter = None,
    debug: options.Debug = False,
) -> None:
    """Check an adapter on your own model.

    Copies of the model are masked, cut to random plans, saved and loaded, and must compute the same.
    The model itself and its directory are not changed.
    """
    from prunekit.commands.progress import Display
    from prunekit.conformance.examine import TOY_CHECKS, Outcome, examine, open_model_under_test

    with Display() as display:
        name, specimen = open_model_under_test(model, adapter)
        findings = examine(specimen, TOY_CHECKS, lambda done, total: display("check", done, total, {}))
    OUT.print(findings_table(findings))
    failed = [finding.check.id for finding in findings if finding.outcome is Outcome.FAILED]
    if failed:
        kind = type(specimen.adapter).__name__
        raise PrunekitError(
            f"The adapter {name!r} ({kind}) does not fit {model!r}: {len(failed)} of {len(findings)} checks "
            f"failed ({', '.join(failed)}); the table says how to mend the adapter; start with the first failure."
        )


def findings_table(findings: "list[Finding]") -> Table:
    """One row per check; a failed one says what went wrong and how to mend it."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold cyan")
    table.add_column("check", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for finding in findings:
        table.add_row(finding.check.id, *_row_texts(finding))
    return table


def _row_texts(finding: "Finding") -> tuple[Text, str, Text]:
    from prunekit.conformance.examine import Outcome

    style = {Outcome.OK: "green", Outcome.SKIPPED: "dim", Outcome.FAILED: "bold red"}[finding.outcome]
    about = {
        Outcome.OK: Text(finding.check.holds, style="dim"),
        Outcome.SKIPPED: Text(finding.why, style="dim"),
        Outcome.FAILED: Text.assemble((finding.why, "red"), f"\nTo mend it, {finding.check.mend}."),
    }[finding.outcome]
    seconds = "" if finding.outcome is Outcome.SKIPPED else f"{finding.seconds:.1f}"
    return Text(finding.outcome.value, style=style), seconds, about
