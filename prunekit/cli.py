"""The command line: one app of all commands, and the boundary that turns every error into one sentence."""

import errno
import signal
import traceback
from importlib.metadata import version
from typing import Annotated, Any

import typer
from rich.text import Text
from typer.core import TyperGroup

from prunekit._support.processes import refuse_several_processes
from prunekit._support.runtime import configure_runtime
from prunekit._support.stopping import Stopped, stop_at_once
from prunekit.commands.check import check
from prunekit.commands.compare import compare
from prunekit.commands.console import ERR, OUT
from prunekit.commands.eval import evaluate
from prunekit.commands.export import export
from prunekit.commands.front import front
from prunekit.commands.inspect import inspect
from prunekit.commands.label import label
from prunekit.commands.list import list_plugins
from prunekit.commands.new_adapter import new_adapter
from prunekit.commands.predict import predict
from prunekit.commands.run import run
from prunekit.commands.vocabulary import vocabulary
from prunekit.errors import PrunekitError, one_line

FULL = (errno.ENOSPC, errno.EDQUOT)

FULL_TEXTS = ("No space left on device", "Disk quota exceeded", "inline_container.cc")
"""What safetensors, written in Rust, and `torch.save` say of a full disk; the latter names only its source file."""

RESUMABLE = ("run", "compare", "front", "label")
"""Commands that go on where they stopped when they are given again."""


class Boundary(TyperGroup):
    """Turns an error of a command into one red sentence and an exit code: 1 for failures.

    Ctrl-C is 130 and SIGTERM 143, as of a process that the signal ended. Wrong usage keeps Typer's exit code 2.
    ``--debug`` shows the traceback too.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            refuse_several_processes()
            with stop_at_once():
                return super().invoke(ctx)
        except KeyboardInterrupt as error:
            number = error.signal if isinstance(error, Stopped) else signal.SIGINT
            resumes = "; the same command resumes it" if ctx.invoked_subcommand in RESUMABLE else ""
            what = "interrupted" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}"
            ERR.print(Text(f"\n{what}{resumes}.", style="bold red"), soft_wrap=True)
            raise typer.Exit(128 + number) from None
        except Exception as error:
            sentence = error_sentence(error)
            if sentence is None:
                raise
            if ctx.meta.get("prunekit.debug"):
                traceback.print_exception(error)
            ERR.print(Text.assemble(("error: ", "bold red"), (sentence, "red")), soft_wrap=True)
            raise typer.Exit(1) from error


def error_sentence(error: Exception) -> str | None:
    """The sentence about an error for the user; None for errors that Typer handles."""
    text = one_line(error)
    if isinstance(error, PrunekitError):
        return text
    if type(error).__module__.startswith(("typer.", "click.")) or getattr(error, "errno", None) == errno.EPIPE:
        return None
    if getattr(error, "errno", None) in FULL or any(part in text for part in FULL_TEXTS):
        return "There is no space left to write to; free some, and give the same command again to resume."
    if type(error).__name__ == "OutOfMemoryError":
        return "The device ran out of memory; try --set training.batch=N or --set measure.batch=N with smaller numbers."
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}; check that it exists and may be read or written."
    return f"Something unforeseen happened ({type(error).__name__}: {text}); --debug shows where. Please report it."


def show_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        OUT.print(f"prunekit {version('prunekit')}")
        raise typer.Exit


app = typer.Typer(
    cls=Boundary,
    name="prunekit",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def prunekit(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=show_version, is_eager=True)
    ] = False,
) -> None:
    """Make encoder-decoder transformers several times faster by structured pruning."""


app.command("run")(run)
app.command("compare")(compare)
app.command("front")(front)
app.command("list")(list_plugins)
app.command("inspect")(inspect)
app.command("predict")(predict)
app.command("check")(check)
app.command("new-adapter")(new_adapter)
app.command("eval")(evaluate)
app.command("label")(label)
app.command("export")(export)
app.command("vocabulary")(vocabulary)


def main() -> None:
    """The command ``prunekit``."""
    configure_runtime()
    app(prog_name="prunekit")
