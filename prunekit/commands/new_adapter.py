"""``prunekit new-adapter``: draft an adapter for another architecture, from what a tiny model of it shows."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from prunekit.commands import options
from prunekit.commands.check import findings_table
from prunekit.commands.console import ERR, OUT

if TYPE_CHECKING:
    from prunekit.conformance.examine import Finding
    from prunekit.scaffold.draft import Draft
    from prunekit.scaffold.files import DraftFiles


def new_adapter(
    model_type: Annotated[
        str, typer.Argument(metavar="MODEL_TYPE", help="The `model_type` in configs of transformers, like bart.")
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Directory for the adapter and its test.")] = Path(),
    debug: options.Debug = False,
) -> None:
    """Draft an adapter and its test for a model type.

    A tiny model of the type is built and traced.
    The command prints what was found and what is missing, and runs the checks of the test.
    """
    from prunekit.commands.progress import Display
    from prunekit.scaffold.draft import draft
    from prunekit.scaffold.files import examined, files_for, resolve_by_trial
    from prunekit.scaffold.sizes import kind_of

    kind = kind_of(model_type)
    files = files_for(kind, output)
    with Display() as display:
        drafted = resolve_by_trial(draft(kind))
        files.write(drafted)
        print_draft(drafted, files)
        findings = examined(drafted, lambda done, total: display("check", done, total, {}))
    print_findings(findings, files)


def print_draft(draft: "Draft", files: "DraftFiles") -> None:
    """Print what was found, what is missing, and the lines for ``pyproject.toml``."""
    model_type = draft.kind.model_type
    _print_section(f"found in {draft.model}", (f"{name:<9}{text}" for name, text in found_parts(draft).items()))
    OUT.print()
    _print_section("missing", draft.missing or ("nothing that tracing shows.",))
    OUT.print(Text("\nfor pyproject.toml", style="bold cyan"))
    OUT.print('[project.entry-points."prunekit.adapters"]', markup=False)
    OUT.print(f'{model_type} = "{files.module}"\n', markup=False, soft_wrap=True)
    if _has_adapter(model_type):
        ERR.print(
            f"There is an adapter for {model_type} already, and prunekit refuses two of one name; register this one "
            "only in its place.",
            soft_wrap=True,
        )


def _print_section(title: str, lines: Iterable[str]) -> None:
    OUT.print(Text(title, style="bold cyan"))
    for line in lines:
        OUT.print(f"  {line}", markup=False, soft_wrap=True)


def _has_adapter(model_type: str) -> bool:
    from prunekit.plugins import ADAPTERS, names

    return model_type in names(ADAPTERS)


def found_parts(draft: "Draft") -> dict[str, str]:
    """A description of each stack with its roots, then of norms and ties, by name."""
    stacks = {}
    for layers, roots in zip(draft.layers, draft.found, strict=True):
        parts = [f"{'cross' if each.cross else 'self'}-attention {each.module}" for each in roots.attentions]
        parts += [f"feed-forward {roots.channels}"] * bool(roots.channels)
        stacks[layers.name] = f"{layers.path}, counted by {', '.join(layers.depth)}: {', '.join(parts)}"
    return {**stacks, **draft.facts}


def print_findings(findings: "list[Finding]", files: "DraftFiles") -> None:
    """Print the checks that fail with how to mend them, those that do not apply, and where the files are."""
    from prunekit.conformance.examine import Outcome

    by_outcome = {outcome: [each for each in findings if each.outcome is outcome] for outcome in Outcome}
    failed = by_outcome[Outcome.FAILED]
    skipped = by_outcome[Outcome.SKIPPED]
    without_groups = findings[0] in failed  # then nothing else could be checked, and all skips have this one reason
    rows = failed if without_groups else failed + skipped
    if rows:
        OUT.print(findings_table(rows))
    counts = f"{len(by_outcome[Outcome.OK])} checks hold, {len(failed)} fail, {len(skipped)} were skipped."
    OUT.print(counts, markup=False)
    todo = "mend it, then run" if failed else "run"
    ERR.print(
        f"\nWritten to {files.adapter} and {files.suite}: {todo} `pytest {files.suite}`, and `prunekit check DIR` on a "
        "real model.",
        soft_wrap=True,
        markup=False,
    )
