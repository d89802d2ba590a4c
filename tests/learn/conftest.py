"""A bench to train on, of each family."""

import copy

import pytest
import torch

from prunekit.data.tasks import from_files
from prunekit.data.text import TextProcessor
from prunekit.find.plan import PruningPlan
from prunekit.learn.bench import Bench
from prunekit.learn.training.context import TrainingContext
from prunekit.learn.training.teacher import Teacher
from prunekit.recipe import TaskSection, TrainingSection


@pytest.fixture
def bench(every, letters, pairs, tmp_path):
    """A bench on a copy of the family's tiny model, with eight rows to learn from and to measure on."""
    section = TaskSection(train=str(pairs), eval=str(pairs), source="a", target="b", metric="exact_match")
    processor = TextProcessor(letters, section)
    rows = processor.encode(from_files(section).train)
    training = TrainingSection(batch=2, precision="fp32")
    context = TrainingContext(
        processor, rows, rows, training, tmp_path / "work", tmp_path / "log", 0, "cpu", dev_batch=3
    )
    model = copy.deepcopy(every.model)
    teacher = Teacher.of(copy.deepcopy(every.model), every.graph.groups, PruningPlan())
    return Bench(model, context, lambda model: 0.0, every.graph.groups, teacher)


def _loss_by_hand(model, rows):
    """Every row alone, so without padding; every token's negative log-probability."""
    losses = []
    for n in range(len(rows)):
        row = rows[n]
        labels = torch.tensor([row["labels"]])
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([row["source"]]), labels=labels, use_cache=False).logits
        losses += [-float(logits[0, at].log_softmax(-1)[token]) for at, token in enumerate(row["labels"])]
    return sum(losses) / len(losses)


@pytest.fixture
def loss_by_hand():
    """The mean loss per target token of a model on some rows, one at a time."""
    return _loss_by_hand
