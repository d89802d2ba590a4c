"""Rules for the size of a head: what they give, how they are written, and which one fits a model."""

import pytest
from transformers import BartConfig, T5Config

from prunekit.scaffold.head_size import BART, Rule, head_rule


@pytest.mark.parametrize(
    ("rule", "text", "size"),
    [
        (BART, 'config.d_model // getattr(config, f"{stack}_attention_heads")', 16),
        (Rule("d_model", "decoder_attention_heads"), "config.d_model // config.decoder_attention_heads", 8),
        (Rule("d_model"), "config.d_model", 64),
        (Rule("d_model", "no_such_key"), "config.d_model // config.no_such_key", None),
    ],
)
def test_a_rule_is_an_expression(rule, text, size):
    config = BartConfig(d_model=64, encoder_attention_heads=4, decoder_attention_heads=8)
    assert str(rule) == text
    assert rule.of(config, "encoder") == size
    if size is not None:
        assert eval(text, {"config": config, "stack": "encoder", "getattr": getattr}) == size


@pytest.mark.parametrize(("model_type", "rule"), [("bart", BART), ("t5", Rule("d_kv"))])
def test_the_rule_of_a_model(drafted, model_type, rule):
    assert drafted(model_type).head_size == rule


def test_a_model_that_no_rule_fits(drafted):
    bart, missing = drafted("bart"), []
    kind = bart.kind._replace(config_class=OddConfig)
    tiny = bart.kind.build()
    assert head_rule(kind, tiny, bart.layers, bart.found, missing) is None
    assert missing == [
        "`head_size`: no key of the config gives the rows of a head (8 in the decoder, 8 in the encoder)."
    ]


class OddConfig(BartConfig):
    """Gives no number of heads under a name that is known."""

    def to_dict(self):
        return {key: value for key, value in super().to_dict().items() if "heads" not in key}


def test_the_rule_holds_for_other_sizes(drafted):
    assert drafted("t5").head_size.of(T5Config(d_kv=48, d_model=512, num_heads=8), "encoder") == 48
