"""Keys of configs, and of configs within them."""

from transformers import BertConfig, EncoderDecoderConfig, T5Config

from prunekit.find.config_keys import get_key, set_key


def test_a_key_of_a_plain_config():
    config = T5Config(d_model=8)
    set_key(config, "d_model", 16)
    assert get_key(config, "d_model") == config.d_model == 16
    assert get_key(config, "no_such_key") is None


def test_a_key_of_a_config_within():
    config = EncoderDecoderConfig.from_encoder_decoder_configs(BertConfig(num_hidden_layers=3), BertConfig())
    set_key(config, "encoder.num_hidden_layers", 2)
    assert (config.encoder.num_hidden_layers, config.decoder.num_hidden_layers) == (2, 12)
    assert get_key(config, "encoder.num_hidden_layers") == 2
    assert get_key(config, "head.num_hidden_layers") is None
