"""Every built-in adapter on tiny models of the types that it serves, by the kit that outsiders use."""

import pytest
import torch
import transformers as hf

from prunekit import PrunekitError, discover, plugins
from prunekit.conformance import CHECKS
from prunekit.testing import VOCABULARY, AdapterSuite
from prunekit.testing.models import BART_SIZES, T5_SIZES
from prunekit_adapters.bart import Bart
from prunekit_adapters.bigbird_pegasus import BigBirdPegasus
from prunekit_adapters.encoder_decoder import EncoderDecoder
from prunekit_adapters.fsmt import Fsmt
from prunekit_adapters.led import Led
from prunekit_adapters.longt5 import LongT5
from prunekit_adapters.moonshine import Moonshine
from prunekit_adapters.mt5 import MT5
from prunekit_adapters.mvp import Mvp
from prunekit_adapters.pegasus_x import PegasusX
from prunekit_adapters.pop2piano import Pop2Piano
from prunekit_adapters.prophetnet import ProphetNet
from prunekit_adapters.speech_to_text import Speech2Text
from prunekit_adapters.speecht5 import SpeechT5
from prunekit_adapters.t5 import T5
from prunekit_adapters.t5gemma import T5Gemma
from prunekit_adapters.umt5 import UMT5
from prunekit_adapters.vision_encoder_decoder import VisionEncoderDecoder
from prunekit_adapters.whisper import Whisper

TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}
STACKS = {key: size for key, size in BART_SIZES.items() if key.startswith(("encoder_", "decoder_"))}
CHANNELS = {key: size for key, size in STACKS.items() if key.endswith("_ffn_dim")}
BART = {"vocab_size": VOCABULARY, **BART_SIZES, **TOKENS, "forced_eos_token_id": None}
T5_LIKE = {"vocab_size": VOCABULARY, **T5_SIZES}


EVERY_CHANGE = ("trace", "mixed", "saved", "portable", "generate-greedy")
"""Checks of every type at every change; of kin, the others are in the full tier."""


def tiered(check):
    marks = () if check.id in EVERY_CHANGE else pytest.mark.full
    return pytest.param(check, id=check.id, marks=marks)


class Kin(AdapterSuite):
    """A type that its adapter declares like another one with a suite, and whose modules are named alike."""

    @pytest.mark.parametrize("check", [tiered(check) for check in CHECKS])
    def test_adapter(self, model_under_test, check):
        super().test_adapter(model_under_test, check)


def bert(layers, width, channels):
    sizes = {"hidden_size": width, "num_hidden_layers": layers, "intermediate_size": channels}
    return hf.BertConfig(vocab_size=60, num_attention_heads=4, max_position_embeddings=40, **sizes)


def gemma(layers, width, channels):
    sizes = {"hidden_size": width, "num_hidden_layers": layers, "intermediate_size": channels, "head_dim": 6}
    shared = {"num_attention_heads": 8, "num_key_value_heads": 4, "sliding_window": 4, "query_pre_attn_scalar": 6}
    return {"vocab_size": 60, "max_position_embeddings": 64, **sizes, **shared}


class TestT5(AdapterSuite):
    adapter, config = T5, hf.T5Config(**T5_LIKE)


class TestGatedT5(AdapterSuite):
    adapter, config = T5, hf.T5Config(**T5_LIKE, feed_forward_proj="gated-gelu")


class TestMT5(AdapterSuite):
    adapter, config = MT5, hf.MT5Config(**T5_LIKE)


class TestUMT5(AdapterSuite):
    adapter, config = UMT5, hf.UMT5Config(**T5_LIKE)


class TestLongT5(AdapterSuite):
    adapter, config = LongT5, hf.LongT5Config(**T5_LIKE, local_radius=2)


class TestLongT5WithGlobalTokens(AdapterSuite):
    adapter = LongT5
    config = hf.LongT5Config(**T5_LIKE, encoder_attention_type="transient-global", local_radius=2, global_block_size=3)


class TestPop2Piano(AdapterSuite):
    adapter, config = Pop2Piano, hf.Pop2PianoConfig(**T5_LIKE, composer_vocab_size=3)


class TestT5Gemma(AdapterSuite):
    adapter = T5Gemma
    config = hf.T5GemmaConfig(encoder=gemma(3, 32, 20), decoder=gemma(4, 40, 24), vocab_size=60, **TOKENS)
    tolerance = 3e-5  # its norms work in float32, and there are 29 of them


class TestBart(AdapterSuite):
    adapter, config = Bart, hf.BartConfig(**BART)


class TestMBart(Kin):
    adapter, config = Bart, hf.MBartConfig(**BART)


class TestPLBart(Kin):
    adapter, config = Bart, hf.PLBartConfig(**BART)


class TestPegasus(Kin):
    adapter, config = Bart, hf.PegasusConfig(**BART)


class TestMarian(AdapterSuite):
    adapter, config = Bart, hf.MarianConfig(**BART)


class TestMarianWithTwoVocabularies(AdapterSuite):
    adapter = Bart
    config = hf.MarianConfig(**BART, share_encoder_decoder_embeddings=False, tie_word_embeddings=False)


class TestM2M100(AdapterSuite):
    adapter, config = Bart, hf.M2M100Config(**BART)


class TestBlenderbot(Kin):
    adapter, config = Bart, hf.BlenderbotConfig(**BART)


class TestBlenderbotSmall(Kin):
    adapter, config = Bart, hf.BlenderbotSmallConfig(**BART)


class TestMvp(AdapterSuite):
    adapter, config = Mvp, hf.MvpConfig(**BART)


class TestBigBirdPegasus(AdapterSuite):
    adapter, config = BigBirdPegasus, hf.BigBirdPegasusConfig(**BART)


class TestBigBirdPegasusWithFullAttention(AdapterSuite):
    adapter, config = BigBirdPegasus, hf.BigBirdPegasusConfig(**BART, attention_type="original_full")


class TestFsmt(AdapterSuite):
    adapter = Fsmt
    config = hf.FSMTConfig(**BART, src_vocab_size=60, tgt_vocab_size=60, num_beams=1)
    dtype = torch.float32  # it fills masks with that type's least number


class TestLed(AdapterSuite):
    adapter = Led
    config = hf.LEDConfig(
        **{key: value for key, value in BART.items() if key != "max_position_embeddings"},
        attention_window=[4, 4, 6],
        max_encoder_position_embeddings=48,
        max_decoder_position_embeddings=40,
    )


class TestPegasusX(AdapterSuite):
    adapter, config = PegasusX, hf.PegasusXConfig(**BART, block_size=4, num_global_tokens=3)


class TestProphetNet(AdapterSuite):
    adapter = ProphetNet
    dtype = torch.float32  # it adds masks of that type's least number
    config = hf.ProphetNetConfig(  # as deep on both sides: its cache is made for the encoder's layers
        vocab_size=60,
        hidden_size=32,
        num_encoder_layers=4,
        num_decoder_layers=4,
        num_encoder_attention_heads=4,
        num_decoder_attention_heads=4,
        **CHANNELS,
        max_position_embeddings=40,
        num_buckets=8,
        relative_max_distance=16,
        **TOKENS,
    )


class TestWhisper(AdapterSuite):
    adapter = Whisper
    config = hf.WhisperConfig(
        vocab_size=60,
        d_model=32,
        **STACKS,
        **TOKENS,
        num_mel_bins=6,
        max_source_positions=9,
        max_target_positions=40,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )


class TestSpeech2Text(AdapterSuite):
    adapter = Speech2Text
    config = hf.Speech2TextConfig(
        vocab_size=60,
        d_model=32,
        **STACKS,
        **TOKENS,
        conv_channels=16,
        input_feat_per_channel=6,
        max_source_positions=40,
        max_target_positions=40,
    )


class TestMoonshine(AdapterSuite):
    adapter = Moonshine
    config = hf.MoonshineConfig(
        vocab_size=60,
        hidden_size=32,
        intermediate_size=20,
        encoder_num_hidden_layers=3,
        decoder_num_hidden_layers=4,
        encoder_num_attention_heads=4,
        decoder_num_attention_heads=4,
        max_position_embeddings=40,
        pad_token_id=2,
    )


class TestSpeechT5(AdapterSuite):
    adapter = SpeechT5
    config = hf.SpeechT5Config(
        vocab_size=60,
        hidden_size=32,
        **STACKS,
        **TOKENS,
        conv_dim=(8, 8, 8),
        conv_stride=(5, 4, 4),
        conv_kernel=(10, 3, 3),
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=4,
        encoder_max_relative_position=6,
        max_speech_positions=60,
        max_text_positions=40,
    )


class TestBert2Bert(AdapterSuite):
    adapter = EncoderDecoder
    config = hf.EncoderDecoderConfig.from_encoder_decoder_configs(bert(3, 32, 20), bert(4, 32, 24), **TOKENS)


class TestBert2BertOfTwoWidths(AdapterSuite):
    adapter = EncoderDecoder
    config = hf.EncoderDecoderConfig.from_encoder_decoder_configs(bert(3, 32, 20), bert(4, 40, 24), **TOKENS)


class TestTrOcr(AdapterSuite):
    adapter = VisionEncoderDecoder
    config = hf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        hf.ViTConfig(
            hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=20, image_size=8, patch_size=4
        ),
        hf.TrOCRConfig(
            vocab_size=60,
            hidden_size=40,
            decoder_layers=4,
            decoder_attention_heads=4,
            decoder_ffn_dim=24,
            max_position_embeddings=40,
            **TOKENS,
        ),
        **TOKENS,
    )


SUITES = [kind for kind in list(globals().values()) if isinstance(kind, type) and issubclass(kind, AdapterSuite)]


@pytest.mark.parametrize("name", plugins.names(plugins.ADAPTERS))
def test_every_type_that_prunekit_serves_has_a_suite(name):
    served = [suite for suite in SUITES if hasattr(suite, "config") and suite.config.model_type == name]
    assert served
    assert all(name in suite.adapter.model_types for suite in served)


@pytest.mark.parametrize(
    ("adapter", "halves", "named"),
    [
        (VisionEncoderDecoder, (hf.SwinConfig(), hf.TrOCRConfig(is_decoder=True)), "encoder .* 'swin'"),
        (VisionEncoderDecoder, (hf.ViTConfig(), hf.BertConfig(is_decoder=True)), "decoder .* 'bert'"),
        (EncoderDecoder, (hf.BertConfig(), hf.GPT2Config(is_decoder=True)), "decoder .* 'gpt2'"),
    ],
)
def test_halves_of_other_kinds_are_refused_by_name(adapter, halves, named):
    kind = hf.CONFIG_MAPPING[adapter.model_types[0]]
    config = kind.from_encoder_decoder_configs(*halves)
    with pytest.raises(PrunekitError, match=named):
        discover(adapter(), config)
