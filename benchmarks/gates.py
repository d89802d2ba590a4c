"""What gates cost a training step: distillation of a T5-base with a strategy's gates, and without any.

    OMP_NUM_THREADS=1 python benchmarks/gates.py --rows 8 --tokens 128

NASH's gates are the encoder's heads and channels; CoFi's are those of both stacks, with whole sub-layers and hidden
dimensions. Forward and backward pass with a teacher's logits, interleaved; CPU seconds on one thread.
"""

import argparse
import copy
import tempfile
from pathlib import Path

import torch
from cases import T5_BASE, one_thread
from transformers import T5Config

from prunekit import Distillation, discover
from prunekit.find.plan import PruningPlan
from prunekit.latency.clocks import Reading, clock_for
from prunekit.latency.interleave import InterleavedTimes
from prunekit.learn.masking.masks import Masks
from prunekit.learn.training.arguments import training_arguments
from prunekit.learn.training.teacher import Teacher
from prunekit.learn.training.trainer import PruningTrainer
from prunekit.pipeline.problem import problem_of
from prunekit.recipe import Recipe, TrainingSection
from prunekit.report.formatting import factor
from prunekit_adapters.t5 import T5
from prunekit_strategies.cofi import CoFi
from prunekit_strategies.nash import Nash

RATE = 0.001
PLAIN = "no gates"
DISTILLATION = Distillation(cross_entropy=0.5, logits=0.5, encoder_hidden=0.0)


def main() -> None:
    """Time a step of all three, interleaved."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    one_thread()
    torch.manual_seed(0)
    times = interleaved_steps(args.rows, args.tokens, args.rounds)
    for name in (PLAIN, "nash", "cofi"):
        ratio = factor(times.ratio(name, PLAIN), times.error(name, PLAIN))
        share = "" if name == PLAIN else f", {ratio} of a step without"
        print(f"{name}: {times.seconds(name):.2f} CPU-s{share}, {args.rows} x {args.tokens}")


def interleaved_steps(rows: int, tokens: int, rounds: int) -> InterleavedTimes:
    """The times of single steps with each kind of gates; the first round is not timed."""
    adapter = T5()
    config = T5Config(**T5_BASE)
    model = adapter.fresh(config)
    graph = discover(adapter, config, model)
    teacher = Teacher.of(copy.deepcopy(model), graph.groups, PruningPlan())
    problem = problem_of(graph, Recipe(), PruningPlan())
    gates = {PLAIN: None, "nash": Nash(encoder_sparsity=0.5).gates(problem), "cofi": CoFi(sparsity=0.5).gates(problem)}
    ids = torch.randint(3, config.vocab_size, (rows, tokens))
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids.flip(1)}
    times: dict[str, list[Reading]] = {name: [] for name in gates}
    training = TrainingSection(batch=rows)
    with tempfile.TemporaryDirectory() as directory, clock_for(model.device, 1) as clock:
        arguments = training_arguments(training, Path(directory), 10, RATE, 0, "cpu")
        for number in range(rounds + 1):
            for name in sorted(gates, reverse=bool(number % 2)):
                masks = Masks(model, graph.groups) if gates[name] is not None else None
                named = {"gates": gates[name], "masks": masks, "teacher": teacher}
                trainer = PruningTrainer(model, arguments, training, DISTILLATION, **named)
                model.train()
                start = clock()
                trainer.compute_loss(model, dict(batch)).backward()
                if number:
                    times[name].append(clock() - start)
                trainer.release()
                model.zero_grad()
                if masks is not None:
                    masks.remove()
    return InterleavedTimes(times, {})


if __name__ == "__main__":
    main()
