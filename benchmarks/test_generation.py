"""`generate`, dense and pruned, side by side: group the table by adapter and read the ratios.

pytest benchmarks --benchmark-group-by=param:family
"""

import pytest
import torch
from transformers import BartConfig, T5Config

from prunekit import PruningPlan, prune
from prunekit_adapters.bart import Bart
from prunekit_adapters.t5 import T5

NEW_TOKENS = 16
FAMILIES = {
    "t5": (T5(), T5Config(d_model=256, d_kv=32, d_ff=1024, num_heads=8, num_layers=6, vocab_size=4096)),
    "bart": (
        Bart(),
        BartConfig(
            d_model=256,
            encoder_layers=6,
            decoder_layers=6,
            encoder_attention_heads=8,
            decoder_attention_heads=8,
            encoder_ffn_dim=1024,
            decoder_ffn_dim=1024,
            vocab_size=4096,
            max_position_embeddings=128,
        ),
    ),
}
PLANS = {"dense": PruningPlan(), "decoder-2": PruningPlan({"decoder.layers": (0, 5)})}


@pytest.mark.parametrize("shape", PLANS)
@pytest.mark.parametrize("family", FAMILIES)
def test_generate(benchmark, family, shape):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    adapter, config = FAMILIES[family]
    config.decoder_start_token_id = 0
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = adapter.build(config, device="cpu")
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    model = prune(model, PLANS[shape], adapter).to(device).eval()
    ids = torch.randint(10, 4000, (1, 64), device=device)

    def work():
        tokens = model.generate(input_ids=ids, max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS, do_sample=False)
        if device == "cuda":
            torch.cuda.synchronize()
        return tokens

    tokens = benchmark.pedantic(work, rounds=5, warmup_rounds=1)
    assert tokens.shape[1] == NEW_TOKENS + 1
    parameters = sum(p.numel() for p in model.parameters())
    benchmark.extra_info.update(parameters=parameters, tokens=NEW_TOKENS, device=device, dtype=str(model.dtype))
