"""What the engine itself costs: finding groups and surgery, in CPU-seconds on one thread and MB of memory.

    python benchmarks/engine_cost.py

Discovery runs in a fresh process per model, so that its memory is counted above that of the imports alone.
"""

import resource
import subprocess
import sys
import time

import torch
from transformers import T5Config

SHAPES = {
    "t5-base": {"d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12},
    "t5-11b": {"d_model": 1024, "d_kv": 128, "d_ff": 65536, "num_layers": 24, "num_heads": 128},
}


def megabytes() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def discovery(name: str) -> None:
    """Find the groups of one shape, with nothing allocated."""
    import prunekit
    from prunekit_adapters.t5 import T5

    torch.set_num_threads(1)
    adapter = T5()
    config = T5Config(**SHAPES[name])
    adapter.build(T5Config(d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2))  # imports that transformers puts off
    import torch_pruning  # noqa: F401

    before = megabytes()
    start = time.process_time()
    graph = prunekit.discover(adapter, config)
    seconds = time.process_time() - start
    print(f"discovery {name:8} {len(graph.groups):4} groups {seconds:6.2f} CPU-s {megabytes() - before:6.0f} MB")


def surgery() -> None:
    """Cut a T5-base to 3 decoder layers, and half the encoder's heads and channels."""
    from prunekit import PruningPlan, discover
    from prunekit.cut.surgery import cut
    from prunekit.find.groups import width_groups
    from prunekit_adapters.t5 import T5

    torch.set_num_threads(1)
    adapter = T5()
    config = T5Config(**SHAPES["t5-base"])
    model = adapter.build(config, device="cpu")
    for parameter in model.parameters():
        parameter.data.fill_(0.01)  # memory counts once it has been written to
    graph = discover(adapter, config, model)
    kept = {g.name: g.ids[::2] for g in width_groups(graph.groups, "encoder")}
    plan = PruningPlan({**kept, "decoder.layers": (0, 5, 11)})
    before = megabytes()
    start = time.process_time()
    cut(model, plan, adapter, graph, config)
    print(
        f"surgery   t5-base  {graph.size.whole:,} -> {sum(p.numel() for p in model.parameters()):,} parameters", end=" "
    )
    print(f"{time.process_time() - start:6.2f} CPU-s {megabytes() - before:6.0f} MB")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        surgery() if sys.argv[1] == "surgery" else discovery(sys.argv[1])
    else:
        for part in (*SHAPES, "surgery"):
            subprocess.run([sys.executable, __file__, part], check=True)
