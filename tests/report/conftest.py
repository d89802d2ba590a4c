"""A report with every section, and one in which nothing was measured."""

import pytest

from prunekit.report.report import Report

SPLIT = {"encoder": 0.1, "decoder": 0.6, "head": 0.05, "loop": 0.25}
TIMING = {
    "workload": {"batch": 1, "source": 9, "new_tokens": 8, "beams": 1},
    "device": "cpu",
    "threads": 1,
    "dense_s": 0.12,
    "pruned_s": 0.04,
    "dense_wall_s": 0.2,
    "pruned_wall_s": 0.08,
    "speedup": 3.0,
    "wall_speedup": 2.5,
    "speedup_error": 0.04,
    "predicted_speedup": None,
    "real_time": None,
    "split": {"dense": SPLIT, "pruned": SPLIT},
}
BEAMS = {**TIMING, "workload": {"batch": 32, "source": 9, "new_tokens": 8, "beams": 4}, "speedup": 4.25}
FULL = {
    "adapter": "t5",
    "strategy": "nash",
    "task": "g2p",
    "seed": 7,
    "environment": {"python": "3.11.9", "cores": 2},
    "parameters": {
        "dense": 3950000,
        "pruned": 1300000,
        "by_part": {"encoder": 500000, "decoder": 790000, "embedding": 10000, "head": 0},
        "dense_by_part": {"encoder": 790000, "decoder": 3150000, "embedding": 10000, "head": 0},
    },
    "sparsity": {"encoder": 0.31, "non_embedding": 0.665, "total": 0.67},
    "layers": {"encoder_kept": [0, 1], "encoder_dense": 2, "decoder_kept": [0, 11], "decoder_dense": 12},
    "widths": {
        "heads": {"encoder.self": [4, 0], "decoder.self": [4, 4]},
        "ffn": {"encoder": [512, 136]},
        "dense_heads": {"encoder.self": [4, 4], "decoder.self": [4, 4]},
        "dense_ffn": {"encoder": [512, 512]},
        "hidden": {"hidden": 128},
        "dense_hidden": {"hidden": 128},
        "tokens": 69,
        "dense_tokens": 69,
    },
    "kept": {
        "heads": {
            "encoder.self": {"layers": [0, 1], "units": [4, 4], "kept": [[1, 1, 1, 1], [0, 0, 0, 0]]},
            "decoder.self": {"layers": [0, 1, 2], "units": [4, 4, 4], "kept": [[1, 0, 1, 1], None, [1, 1, 1, 1]]},
        },
        "ffn": {"encoder": {"layers": [0], "units": [128], "kept": [[2, 1, 0, *[2] * 61]]}},
    },
    "quality": {
        "metric": "exact_match",
        "higher_is_better": True,
        "dense": 0.67,
        "pruned": 0.6164,
        "retained": 0.92,
        "examples": 6323,
        "others": {"per": {"dense": 0.0912, "pruned": 0.1134}},
        "intervals": {"dense": [0.658, 0.682], "pruned": [0.604, 0.629]},
        "loss": {"dense": 0.1571, "pruned": 0.2004},
    },
    "latency": {**TIMING, "workloads": [TIMING, BEAMS]},
    "equivalence": {"max_abs_diff": 3e-6, "max_rel_diff": 2e-7, "tokens_equal": True},
    "seconds": {"find": 0.1, "learn": 100.0, "cut": 0.2, "recover": 60.5, "measure": 30.0},
    "spent": {"examples": 204800, "cpu_seconds": 321.5, "device": "cpu"},
    "samples": [{"source": "<b>café</b>", "reference": "K", "dense": "K", "pruned": "K <script>"}],
}
BARE = {**FULL, "strategy": None, "task": None, "quality": None, "latency": None, "equivalence": None, "samples": []}


@pytest.fixture
def data():
    """The JSON of a report with every section."""
    return FULL


@pytest.fixture
def full():
    return Report.model_validate(FULL)


@pytest.fixture
def bare():
    return Report.model_validate(BARE)


@pytest.fixture
def changed():
    """Makes the full report with other values for some of its keys."""
    return lambda **keys: Report.model_validate({**FULL, **keys})
