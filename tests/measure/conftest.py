import pytest
import torch
from transformers import BartConfig, BartForConditionalGeneration, ByT5Tokenizer, T5Config, T5ForConditionalGeneration


@pytest.fixture
def tokenizer():
    """Bytes plus 3: no file, so that ids 3 to 130 are ASCII."""
    return ByT5Tokenizer()


@pytest.fixture
def t5():
    """More decoder than encoder layers; weights large enough that every prefix has its own answer."""
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=131,
        d_model=16,
        d_kv=8,
        num_heads=2,
        d_ff=24,
        num_layers=1,
        num_decoder_layers=3,
        decoder_layers=3,
        dropout_rate=0.5,
        decoder_start_token_id=0,
    )
    return enlarged(T5ForConditionalGeneration(config))


@pytest.fixture
def bart():
    """Forces its first and its last token, as BART's checkpoints do."""
    torch.manual_seed(0)
    config = BartConfig(
        vocab_size=131,
        d_model=16,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_position_embeddings=40,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
        decoder_start_token_id=1,
        forced_eos_token_id=1,
        tie_word_embeddings=False,
    )
    model = enlarged(BartForConditionalGeneration(config))
    model.generation_config.forced_bos_token_id = 2
    return model


def enlarged(model):
    """Random weights large enough that outputs depend on inputs."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.6)
    return model.eval()
