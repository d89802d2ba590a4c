"""``prunekit vocabulary``: take the tokens from a model that its texts do not need."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from prunekit.commands import options
from prunekit.commands.console import OUT
from prunekit.commands.export import OWN, WEIGHTS


def vocabulary(
    model: Annotated[str, typer.Argument(metavar="DIR|HUB_ID", help="The model, with its tokenizer; pruned or not.")],
    corpus: Annotated[
        Path, typer.Option(metavar="FILE", help="A text file: what the model reads and writes, line by line.")
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where the result goes; must not exist.")],
    keep: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="A piece, or a text whose pieces stay too; repeatable.")
    ] = None,
    adapter: options.Adapter = None,
    debug: options.Debug = False,
) -> None:
    """Keep only the tokens that a corpus needs, without any training.

    Text like the corpus is read and written as before; other text is read by smaller pieces. In models with many
    tokens, like mT5, the output projection is most of what a step of generation costs.
    """
    import torch

    from prunekit.commands.progress import Display
    from prunekit.corpus import lines, prune_vocabulary
    from prunekit.cut import checkpoint
    from prunekit.errors import PrunekitError
    from prunekit.pretrained import located, open_config, open_model, open_tokenizer
    from prunekit.subject import adapter_for

    if output.exists():
        raise PrunekitError(f"{str(output)!r} exists already; choose another --output, or remove it.")
    texts = list(lines(str(corpus)))
    if not any(texts):
        raise PrunekitError(f"The corpus {str(corpus)!r} holds no text.")
    directory = located(model)
    config = open_config(directory)
    _, known = adapter_for(config, adapter)
    precision = getattr(torch, str(config.dtype or "float32").removeprefix("torch."))
    tokenizer, live = open_tokenizer(directory), open_model(directory, config, known, precision)
    before = {"tokens": len(tokenizer), "parameters": live.num_parameters()}
    written = (
        texts if getattr(tokenizer, "tgt_lang", "") is not None else []
    )  # M2M-100 writes in a language that it is told
    with Display():
        live, small = prune_vocabulary(live, tokenizer, known, texts, written, keep or ())
        checkpoint.save(live, output, small)
    for file in directory.iterdir():
        if file.is_file() and file.name not in OWN and not file.name.endswith(WEIGHTS) and _beside(file, output):
            shutil.copyfile(file, output / file.name)
    OUT.print(
        f"{output}: {len(small):,} of {before['tokens']:,} tokens, {live.num_parameters():,} of "
        f"{before['parameters']:,} parameters; their scores are the same.",
        soft_wrap=True,
    )


def _beside(file: Path, output: Path) -> bool:
    """Whether a file is neither written already nor of the tokenizer that was."""
    tokenizers = ("vocab", "merges", "tokenizer", "special_tokens", "added_tokens", "spiece", "sentencepiece")
    return not (output / file.name).exists() and not file.name.startswith(tokenizers)
