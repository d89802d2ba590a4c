"""Labels as a model learnt them, where the tokenizer writes the decoder's start."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    PLBartConfig,
    PLBartForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from prunekit.data.tasks import from_files
from prunekit.data.text import TextProcessor
from prunekit.errors import PrunekitError
from prunekit.loading.labels import check_shift, fit_label_start
from prunekit.recipe import TaskSection


@pytest.fixture
def starting():
    """A tokenizer of letters that writes <s> before every text."""
    vocabulary = ["<pad>", "</s>", "<unk>", "<s>", *"abcdefghi"]
    core = Tokenizer(models.WordLevel({piece: n for n, piece in enumerate(vocabulary)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 3), ("</s>", 1)])
    named = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "bos_token": "<s>"}
    return PreTrainedTokenizerFast(tokenizer_object=core, **named)


@pytest.mark.parametrize("start", [3, 0])
@pytest.mark.parametrize("holds_start", [False, True])
def test_whichever_way_the_model_learnt_is_found(starting, pairs, holds_start, start):
    """Also where the decoder starts with another token than the one that the tokenizer writes, as T5's with padding."""
    section = TaskSection(train=str(pairs), eval=str(pairs), source="a", target="b", metric="exact_match")
    task = from_files(section)
    torch.manual_seed(0)
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 32, "dropout": 0.0}
    ends = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 3, "decoder_start_token_id": start}
    model = BartForConditionalGeneration(BartConfig(vocab_size=16, **sizes, **heads, **ends)).train()
    x = starting(task.train["source"][:], text_target=task.train["target"][:], padding=True, return_tensors="pt")
    labels = x["labels"].masked_fill(x["labels"] == 0, -100)[:, 0 if holds_start else 1 :].contiguous()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        model(input_ids=x["input_ids"], attention_mask=x["attention_mask"], labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    processor = TextProcessor(starting, section, start=start)
    fit_label_start(model.eval(), processor, task)
    assert processor.drops_start is not holds_start
    begins = processor.encode(task.dev)[0]["labels"][0]
    assert (begins == 3) is holds_start


def test_there_is_nothing_to_choose_where_no_start_is_written(letters, pairs):
    section = TaskSection(train=str(pairs), eval=str(pairs), source="a", target="b", metric="exact_match")
    processor = TextProcessor(letters, section, start=0)
    fit_label_start(None, processor, from_files(section))  # no model is asked
    assert processor.drops_start is False


@pytest.mark.parametrize("missing", ["decoder_start_token_id", "pad_token_id"])
def test_a_config_without_what_labels_are_shifted_with_is_named(t5, missing):
    check_shift(t5)
    setattr(t5.config, missing, None)
    with pytest.raises(PrunekitError, match=f"config.json lacks {missing}, so no decoder input"):
        check_shift(t5)


@pytest.mark.parametrize("padding", [0, 1])
def test_models_that_look_for_the_last_word_of_labels_find_one(padding):
    """mBART, PLBart and FSMT start answers with what stands at the end of labels, behind which there is padding."""
    sizes = {"d_model": 8, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 32}
    check_shift(PLBartForConditionalGeneration(PLBartConfig(vocab_size=16, pad_token_id=padding, **sizes, **heads)))
