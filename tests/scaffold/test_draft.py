"""Drafts as data: what building, running and tracing tiny models shows."""

import pytest

from prunekit.find.adapter import Adapter


def test_a_regular_type_misses_nothing(drafted):
    bart = drafted("bart")
    assert (bart.name, bart.model) == ("Bart", "BartForConditionalGeneration")
    assert (bart.missing, bart.keep, bart.gathers) == ((), (), ())
    assert bart.skeleton_sizes == Adapter.skeleton_sizes
    assert bart.facts == {
        "norms": "LayerNorm (self_attn_layer_norm, encoder_attn_layer_norm, final_layer_norm)",
        "ties": "model.shared = model.encoder.embed_tokens = model.decoder.embed_tokens = lm_head",
    }


def test_tables_of_another_name_may_be_gathered_from(drafted):
    assert drafted("prophetnet").gathers == ("encoder.word_embeddings",)


def test_what_only_the_first_layer_has_is_missing(drafted):
    sentence = (
        "only the first layer of decoder.block has layer.0.SelfAttention.relative_attention_bias; declare it as "
        "`first`, with the flag that says so."
    )
    assert sentence in drafted("t5").missing
    assert drafted("t5").facts["norms"].startswith("T5LayerNorm (layer.0.layer_norm")


@pytest.mark.parametrize(("model_type", "count"), [("bart", 2), ("t5", 3)])
def test_a_draft_knows_how_many_values_attentions_return(drafted, model_type, count):
    assert {each.results for found in drafted(model_type).found for each in found.attentions} == {count}
