"""A strategy tried on a tiny model, with real training on random pairs and real surgery, for checks to look at."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from prunekit.cut.surgery import cut
from prunekit.data.encoded import EncodedDataset, RaggedInts, collate_batches
from prunekit.data.processors import Collator
from prunekit.data.text import TextProcessor
from prunekit.find.graph import discover
from prunekit.find.plan import PruningPlan
from prunekit.learn.bench import Bench
from prunekit.learn.strategy import Problem, Strategy
from prunekit.learn.training.context import TrainingContext
from prunekit.learn.training.teacher import Teacher
from prunekit.measure.equivalence import Equivalence
from prunekit.pipeline.checked_cut import cut_checked
from prunekit.pipeline.problem import problem_of
from prunekit.recipe import Recipe, TaskSection, TrainingSection
from prunekit.testing.models import VOCABULARY, tiny

PAIRS = 64
"""Random pairs to train on."""
SHORTEST = 3
LONGEST = 8
"""The tokens of a random source or target, at least and at most."""


@dataclass(frozen=True)
class StrategyTrial:
    """A strategy tried on one model: its two plans, the state in which it left the model, and the cut model.

    `problem` is about the dense model, `later_problem` about the model that `upfront` left. `before` and `after` are
    the `model_state` around the strategy's second answer. `proofs` compares masked and cut for both plans, in float64,
    where rounding hides nothing.
    """

    problem: Problem
    later_problem: Problem
    upfront: PruningPlan
    plan: PruningPlan
    before: dict[str, Any]
    after: dict[str, Any]
    proofs: tuple[Equivalence, ...]
    model: PreTrainedModel

    @property
    def both_plans(self) -> PruningPlan:
        """Both answers as one plan."""
        return self.upfront.then(self.plan)


def try_out(strategy: Strategy, family: str, directory: Path, round_to: int = 4, seed: int = 0) -> StrategyTrial:
    """Run `strategy` on the tiny model of a family as a run would, with 64 random pairs and batches of 8."""
    adapter, config, model = tiny(family)
    graph = discover(adapter, config, model)
    recipe = Recipe(round_to=round_to, seed=seed)
    dense = copy.deepcopy(model)
    context = training_context(model, directory, seed)
    batches = list(collate_batches(context.dev, range(8), 4, Collator(context.processor, model), model))

    def bench(done: PruningPlan, phase: str) -> Bench:
        teacher = Teacher.of(dense, graph.groups, done)
        return Bench(model, context, lambda _: 0.0, graph.after(done).groups, teacher, phase)

    def prove_and_cut(plan: PruningPlan, done: PruningPlan) -> Equivalence:
        proof = cut_checked(copy.deepcopy(model).double(), plan, adapter, graph, config, done, batches)
        cut(model, plan, adapter, graph, config, done)
        return proof

    problem = problem_of(graph, recipe, PruningPlan())
    upfront = strategy.upfront(problem, bench(PruningPlan(), "upfront"))
    first_proof = prove_and_cut(upfront, PruningPlan())
    later_problem = problem_of(graph, recipe, upfront)
    before = model_state(model)
    plan = strategy.plan(later_problem, bench(upfront, "learn"))
    after = model_state(model)
    proofs = (first_proof, prove_and_cut(plan, upfront))
    return StrategyTrial(problem, later_problem, upfront, plan, before, after, proofs, model)


def training_context(model: PreTrainedModel, directory: Path, seed: int) -> TrainingContext:
    """A context to train on random pairs, the same for every seed, with a tokenizer whose padding is the model's."""
    generator = torch.Generator().manual_seed(0)

    def sentence() -> list[int]:
        length = int(torch.randint(SHORTEST, LONGEST + 1, (1,), generator=generator))
        return torch.randint(3, VOCABULARY, (length,), generator=generator).tolist()

    pairs = [(sentence(), sentence()) for _ in range(PAIRS)]
    sources = RaggedInts([source for source, _ in pairs])
    rows = EncodedDataset(sources, sources.lengths, [target for _, target in pairs])
    words = {f"w{number}": number for number in range(VOCABULARY)}
    core = Tokenizer(models.WordLevel(words, unk_token="w3"))
    tokenizer: Any = PreTrainedTokenizerFast  # whose constructor has no types
    tokenizer = tokenizer(tokenizer_object=core, pad_token=f"w{model.config.pad_token_id}")
    section = TrainingSection(batch=8, learning_rate=1e-3, precision="fp32", dropout=0.0)
    return TrainingContext(
        processor=TextProcessor(tokenizer, TaskSection()),
        train=rows,
        dev=rows,
        training=section,
        directory=directory,
        log=directory / "log.jsonl",
        seed=seed,
        device="cpu",
    )


def model_state(model: nn.Module) -> dict[str, Any]:
    """The state of a model that a strategy must not change: hooks, parameters, modes, and replaced forward passes."""
    hooks = {
        name: len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)
        for name, module in model.named_modules()
    }
    return {
        "hooks": hooks,
        "parameters": {name: (tuple(p.shape), p.requires_grad) for name, p in model.named_parameters()},
        "training": [name for name, module in model.named_modules() if module.training],
        "replaced": [name for name, module in model.named_modules() if "forward" in vars(module)],
    }
