"""``prunekit new-adapter``: a first adapter for another architecture, from what a tiny model of it shows."""

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
        str, typer.Argument(metavar="MODEL_TYPE", help="As transformers calls it, and configs as `model_type`.")
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where the two files go.")] = Path(),
    debug: options.Debug = False,
) -> None:
    """Write a first adapter and its test, from what building and tracing a tiny model shows.

    Says what was found and what is missing, and makes the checks of the test at once.
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
        told(drafted, files)
        findings = examined(drafted, lambda done, total: display("check", done, total, {}))
    held(findings, files)


def told(draft: "Draft", files: "DraftFiles") -> None:
    """What was found, what is missing, and what to put into ``pyproject.toml``."""
    OUT.print(Text(f"found in {draft.model}", style="bold cyan"))
    for name, what in found(draft).items():
        OUT.print(f"  {name:<9}{what}", markup=False, soft_wrap=True)
    OUT.print(Text("\nmissing", style="bold cyan"))
    for sentence in draft.missing or ("nothing that could be told.",):
        OUT.print(f"  {sentence}", markup=False, soft_wrap=True)
    OUT.print(Text("\nfor pyproject.toml", style="bold cyan"))
    OUT.print('[project.entry-points."prunekit.adapters"]', markup=False)
    OUT.print(f'{draft.kind.model_type} = "{files.module}"\n', markup=False, soft_wrap=True)
    if draft.kind.model_type in _built_in():
        ERR.print(
            f"There is an adapter for {draft.kind.model_type} already; two of one name are refused, so register this "
            "one only in its place.",
            soft_wrap=True,
        )


def _built_in() -> list[str]:
    from prunekit.plugins import ADAPTERS, names

    return names(ADAPTERS)


def found(draft: "Draft") -> dict[str, str]:
    """The stacks with their roots, then norms and ties, in words."""
    stacks = {}
    for layers, roots in zip(draft.layers, draft.found, strict=True):
        parts = [f"{'cross' if each.cross else 'self'}-attention {each.module}" for each in roots.attentions]
        parts += [f"feed-forward {roots.channels}"] * bool(roots.channels)
        stacks[layers.name] = f"{layers.path}, counted by {', '.join(layers.depth)}: {', '.join(parts)}"
    return {**stacks, **draft.facts}


def held(findings: "list[Finding]", files: "DraftFiles") -> None:
    """The checks that fail, with what to mend, those that do not apply, and where everything is."""
    from prunekit.conformance.examine import Outcome

    by = {verdict: [each for each in findings if each.verdict is verdict] for verdict in Outcome}
    failed, skipped = by[Outcome.FAILED], by[Outcome.SKIPPED]
    if rows := failed if findings[0] in failed else failed + skipped:  # without groups, nothing else could be checked
        OUT.print(findings_table(rows))
    OUT.print(f"{len(by[Outcome.OK])} checks hold, {len(failed)} fail, {len(skipped)} were skipped.", markup=False)
    todo = "mend it, then run" if failed else "run"
    ERR.print(
        f"\nWritten to {files.adapter} and {files.suite}: {todo} `pytest {files.suite}`, and `prunekit check DIR` on a "
        "real model.",
        soft_wrap=True,
        markup=False,
    )
