"""Every strategy that comes with prunekit, through the suite that outsiders use."""

from prunekit.testing import StrategySuite
from prunekit_strategies.cofi import CoFi
from prunekit_strategies.depth import Depth
from prunekit_strategies.nash import Nash
from prunekit_strategies.uniform import Uniform

QUICK = {"steps": 12, "gate_learning_rate": 0.5}


class TestNash(StrategySuite):
    strategy = Nash(decoder_layers=2, decoder_steps=2, steps=2)
    targets = {"encoder": 0.3}


class TestNashByGates(StrategySuite):
    strategy = Nash(narrowing="gates", decoder_layers=2, **QUICK)
    targets = {"encoder": 0.3}


class TestNashEvenly(StrategySuite):
    strategy = Nash(narrowing="gates", decoder_layers=[1, 3], encoder_sparsity=0.5, per_layer_uniform=True, steps=0)
    targets = {"encoder": 0.5}


class TestNashAsReleased(StrategySuite):
    strategy = Nash(preset="code-faithful", decoder_layers=2, steps=12)


class TestNashWithAWholeEncoder(StrategySuite):
    strategy = Nash(decoder_layers=1, encoder_sparsity=0, layer_choice="even", steps=4, decoder_hidden=0.01)
    stacks = ("decoder",)


class TestCoFi(StrategySuite):
    strategy = CoFi(sparsity=0.6, **QUICK)
    targets = {"non_embedding": 0.6}


class TestSparseCoFi(StrategySuite):
    strategy = CoFi(sparsity=0.8, matching="downward", **QUICK)
    targets = {"non_embedding": 0.8}


class TestCoFiPerStack(StrategySuite):
    strategy = CoFi(sparsity=0.6, constraints="separate", state_map="identity", **QUICK)
    targets = {"encoder": 0.6, "decoder": 0.6}


class TestCoFiOfTheEncoder(StrategySuite):
    strategy = CoFi(sparsity=0.6, stacks="encoder", masks=["heads", "ffn", "sublayers"], matching="same", **QUICK)
    stacks = ("encoder",)
    targets = {"encoder": 0.6}


class TestUniform(StrategySuite):
    strategy = Uniform(encoder_sparsity=0.4, decoder_sparsity=0.4)
    targets = {"encoder": 0.4, "decoder": 0.4}


class TestReconstructedUniform(StrategySuite):
    strategy = Uniform(importance="reconstruction", encoder_sparsity=0.4, decoder_sparsity=0.4)


class TestCalibratedUniform(StrategySuite):
    strategy = Uniform(importance="first_order", rounds=2, steps=4)
    stacks = ("encoder",)
    targets = {"encoder": 0.3}


class TestRandom(StrategySuite):
    strategy = Uniform(importance="random", encoder_sparsity=0.5, decoder_layers=2)
    targets = {"encoder": 0.5}


class TestDepth(StrategySuite):
    strategy = Depth(encoder_layers=2, decoder_layers=2)


class TestDepthByLoss(StrategySuite):
    strategy = Depth(decoder_layers=2, spacing="loss")
    stacks = ("decoder",)
