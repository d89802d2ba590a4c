"""``prunekit vocabulary``: remove the tokens that a corpus does not need from a model and its tokenizer."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunekit.commands import directories, options
from prunekit.commands.console import OUT
from prunekit.data.tokenizer_files import TOKENIZER_FILES
from prunekit.errors import PrunekitError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def vocabulary(
    model: Annotated[str, typer.Argument(metavar="DIR|HUB_ID", help="The model with its tokenizer, pruned or dense.")],
    corpus: Annotated[
        Path, typer.Option(metavar="FILE", help="A text file, one text a line, of what the model reads and writes.")
    ],
    output: options.NewOutput,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="A token, or a text whose tokens are kept too; repeatable."),
    ] = None,
    adapter: options.Adapter = None,
    debug: options.Debug = False,
) -> None:
    """Keep only the tokens that a corpus needs, without any training.

    Texts like the corpus are encoded as before, other texts into shorter pieces.
    In models with large vocabularies, like mT5, most of a generation step is the output projection.
    """
    from prunekit.commands.progress import Display
    from prunekit.cut import checkpoint
    from prunekit.loading.pretrained import located
    from prunekit.vocabulary.pruning import Corpus

    directories.check_output(output)
    texts = Corpus.of_file(corpus).read
    if not any(texts):
        raise PrunekitError(f"The corpus {str(corpus)!r} contains no text.")
    directory = located(model)
    with Display(), directories.derived_directory(directory, output, TOKENIZER_FILES) as draft:
        pruned, tokenizer, before = _pruned(directory, adapter, texts, keep or [])
        checkpoint.save(pruned, draft, tokenizer)
    OUT.print(
        f"{output}: {len(tokenizer):,} of {before['tokens']:,} tokens, {pruned.num_parameters():,} of "
        f"{before['parameters']:,} parameters; the scores of kept tokens are unchanged.",
        soft_wrap=True,
    )


def _pruned(
    directory: Path, adapter_name: str | None, texts: Sequence[str], keep: Sequence[str]
) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase, dict[str, int]]":
    """Model and tokenizer without the other tokens, and how many tokens and parameters there were before."""
    from prunekit.loading.pretrained import open_config, open_model, open_tokenizer
    from prunekit.loading.structure import adapter_for
    from prunekit.pipeline.prune import prune_vocabulary

    config = open_config(directory)
    _, adapter = adapter_for(config, adapter_name)
    tokenizer = open_tokenizer(directory)
    model = open_model(directory, config, adapter, directories.saved_dtype(config))
    before = {"tokens": len(tokenizer), "parameters": model.num_parameters()}
    # A tokenizer with a target language, like M2M-100's, encodes targets only once it is set.
    no_target_language = hasattr(tokenizer, "tgt_lang") and tokenizer.tgt_lang is None
    targets = [] if no_target_language else texts
    return (*prune_vocabulary(model, tokenizer, adapter, texts, targets, keep), before)
