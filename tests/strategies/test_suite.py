"""Every strategy that comes with prunekit, through the suite that outsiders use."""

import pytest

from prunekit.testing import StrategySuite
from prunekit_strategies.cofi import CoFi
from prunekit_strategies.depth import Depth
from prunekit_strategies.minitron import Minitron
from prunekit_strategies.nash import Nash
from prunekit_strategies.shortgpt import ShortGPT
from prunekit_strategies.uniform import Uniform

QUICK = {"steps": 12, "gate_learning_rate": 0.5}


class Suite(StrategySuite):
    """On one family of either architecture at every change, on all of them in the full tier."""

    families = ("t5", "bart", *(pytest.param(name, marks=pytest.mark.full) for name in ("t5-gated", "mt5")))


class TestNash(Suite):
    strategy = Nash(decoder_layers=2, decoder_steps=2, steps=2)
    targets = {"encoder": 0.3}


class TestNashByGates(Suite):
    strategy = Nash(narrowing="gates", decoder_layers=2, **QUICK)
    targets = {"encoder": 0.3}


class TestNashEvenly(Suite):
    strategy = Nash(narrowing="gates", decoder_layers=[1, 3], encoder_sparsity=0.5, per_layer_uniform=True, steps=0)
    targets = {"encoder": 0.5}


class TestNashAsReleased(Suite):
    strategy = Nash(preset="code-faithful", decoder_layers=2, steps=12)


class TestNashWithAWholeEncoder(Suite):
    strategy = Nash(decoder_layers=1, encoder_sparsity=0, layer_choice="even", steps=4, decoder_hidden=0.01)
    stacks = ("decoder",)


class TestCoFi(Suite):
    strategy = CoFi(sparsity=0.6, **QUICK)
    targets = {"non_embedding": 0.6}


class TestSparseCoFi(Suite):
    strategy = CoFi(sparsity=0.8, matching="downward", **QUICK)
    targets = {"non_embedding": 0.8}


class TestCoFiPerStack(Suite):
    strategy = CoFi(sparsity=0.6, constraints="separate", state_map="identity", **QUICK)
    targets = {"encoder": 0.6, "decoder": 0.6}


class TestCoFiOfTheEncoder(Suite):
    strategy = CoFi(sparsity=0.6, stacks="encoder", masks=["heads", "ffn", "sublayers"], matching="same", **QUICK)
    stacks = ("encoder",)
    targets = {"encoder": 0.6}


class TestUniform(Suite):
    strategy = Uniform(encoder_sparsity=0.4, decoder_sparsity=0.4)
    targets = {"encoder": 0.4, "decoder": 0.4}


class TestReconstructedUniform(Suite):
    strategy = Uniform(importance="reconstruction", encoder_sparsity=0.4, decoder_sparsity=0.4)


class TestCalibratedUniform(Suite):
    strategy = Uniform(importance="first_order", rounds=2, steps=4)
    stacks = ("encoder",)
    targets = {"encoder": 0.3}


class TestRandom(Suite):
    strategy = Uniform(importance="random", encoder_sparsity=0.5, decoder_layers=2)
    targets = {"encoder": 0.5}


class TestDepth(Suite):
    strategy = Depth(encoder_layers=2, decoder_layers=2)


class TestDepthByLoss(Suite):
    strategy = Depth(decoder_layers=2, spacing="loss")
    stacks = ("decoder",)


class TestMinitron(Suite):
    strategy = Minitron(encoder_sparsity=0.5, decoder_sparsity=0.4)
    targets = {"encoder": 0.5, "decoder": 0.4}


class TestShortGPT(Suite):
    strategy = ShortGPT(encoder_layers=2, decoder_layers=1)
