"""``prunekit vocabulary``: take the tokens from a model that its texts do not need."""

from pathlib import Path
from typing import Annotated

import typer

from prunekit.commands import directories, options
from prunekit.commands.console import OUT

TOKENIZERS = ("vocab", "merges", "tokenizer", "special_tokens", "added_tokens", "spiece", "sentencepiece")
"""How the files of the tokenizer begin that was."""


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
    from prunekit.commands.progress import Display
    from prunekit.cut import checkpoint
    from prunekit.errors import PrunekitError
    from prunekit.loading.pretrained import located, open_config, open_model, open_tokenizer
    from prunekit.loading.structure import adapter_for
    from prunekit.pipeline.prune import prune_vocabulary
    from prunekit.vocabulary.pruning import Corpus

    directories.check_output(output)
    texts = Corpus.of_file(corpus).read
    if not any(texts):
        raise PrunekitError(f"The corpus {str(corpus)!r} holds no text.")
    directory = located(model)
    config = open_config(directory)
    _, known = adapter_for(config, adapter)
    tokenizer = open_tokenizer(directory)
    live = open_model(directory, config, known, directories.precision(config))
    before = {"tokens": len(tokenizer), "parameters": live.num_parameters()}
    untold = hasattr(tokenizer, "tgt_lang") and tokenizer.tgt_lang is None  # M2M-100 writes in one that it is told
    written = [] if untold else texts
    with Display(), directories.written(directory, output, TOKENIZERS) as draft:
        live, small = prune_vocabulary(live, tokenizer, known, texts, written, keep or ())
        checkpoint.save(live, draft, small)
    OUT.print(
        f"{output}: {len(small):,} of {before['tokens']:,} tokens, {live.num_parameters():,} of "
        f"{before['parameters']:,} parameters; their scores are the same.",
        soft_wrap=True,
    )
