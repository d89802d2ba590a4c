"""The trainer against a loop by hand: its loss terms, its optimizer, its schedule and its batches."""

import copy
from fractions import Fraction

import pytest
import torch
from torch.nn import functional as F

from prunekit.data.encoded import EncodedDataset, collate_batches
from prunekit.data.processors import Collator
from prunekit.data.tasks import from_files
from prunekit.data.text import TextProcessor
from prunekit.errors import PrunekitError
from prunekit.find.groups import Kind
from prunekit.learn.masking.gates import Constraint, HardConcreteGates
from prunekit.learn.masking.masks import Masks
from prunekit.learn.masking.schedule import SparsitySchedule
from prunekit.learn.training.arguments import training_arguments
from prunekit.learn.training.distillation import LABELS_ONLY, Distillation
from prunekit.learn.training.schedules import linear_schedule
from prunekit.learn.training.teacher import Teacher
from prunekit.learn.training.trainer import PruningTrainer
from prunekit.recipe import TaskSection, TrainingSection

STEPS, RATE = 4, 0.01


@pytest.fixture
def t5(case):
    return case("t5")


@pytest.fixture
def made(t5, letters, pairs, tmp_path):
    """Make a trainer of a copy of the tiny T5, on eight rows in batches of two."""
    task = TaskSection(train=str(pairs), eval=str(pairs), source="a", target="b", metric="exact_match")
    processor = TextProcessor(letters, task)
    rows = processor.encode(from_files(task).train)

    def make(distillation=LABELS_ONLY, gated=False, teacher=None, **settings):
        model = copy.deepcopy(t5.model)
        training = TrainingSection(**{"batch": 2, "precision": "fp32", "learning_rate": RATE, **settings})
        arguments = training_arguments(training, tmp_path / "work", STEPS, RATE, 0, "cpu")
        arguments.save_strategy = "no"
        gates = gates_over(t5) if gated else None
        masks = Masks(model, t5.graph.groups) if gated else None
        collate = Collator(processor, model)
        named = {"gates": gates, "masks": masks, "teacher": teacher, "train_dataset": rows, "data_collator": collate}
        return PruningTrainer(model, arguments, training, distillation, **named)

    return make


def gates_over(t5):
    groups = [g for g in t5.graph.groups if g.kind is Kind.FFN and g.stack == "encoder"]
    size = t5.graph.prunable_size("encoder")
    return HardConcreteGates(groups, [Constraint("encoder", size, size.whole, SparsitySchedule(0.5))], 0)


def by_hand(model, batches, build, clip=1.0, warmup=0):
    """A training loop in a few lines, with dropout off."""
    optimizer = build([p for p in model.parameters() if p.requires_grad])
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = RATE * linear_schedule(step, STEPS, warmup)
        model(**{name: value for name, value in batch.items() if name != "index"}, use_cache=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad()
    return model


@pytest.mark.parametrize(("clip", "warmup"), [(1.0, 0.0), (0.01, 0.5)])
def test_training_is_what_a_loop_by_hand_does(made, clip, warmup):
    trainer = made(clip=clip, warmup=warmup)
    trainer.args.train_sampling_strategy = "sequential"
    student = copy.deepcopy(trainer.model)
    for module in [*student.modules(), *trainer.model.modules()]:
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0
    batches = list(collate_batches(trainer.train_dataset, range(8), 2, trainer.data_collator, student))
    trainer.train()
    student.train()
    expected = by_hand(student, batches, lambda p: torch.optim.AdamW(p, weight_decay=0.0), clip, round(warmup * STEPS))
    for name, value in expected.named_parameters():
        torch.testing.assert_close(dict(trainer.model.named_parameters())[name], value, rtol=1e-5, atol=1e-6)


def test_the_loss_is_the_sum_of_its_terms(made, t5, batch):
    """Cross-entropy, T^2 KL and the gates' penalty, each computed from logits by hand."""
    dense = copy.deepcopy(t5.model)
    with torch.no_grad():
        for parameter in dense.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)), alpha=0.5)
    weights = Distillation(cross_entropy=0.5, logits=0.25, temperature=3.0, encoder_hidden=0.0)
    trainer = made(weights, gated=True, teacher=Teacher(dense, {}))
    with torch.no_grad():
        found = float(trainer.compute_loss(trainer.model, dict(batch)))
        student = trainer.model(**batch).logits  # under the same masks
    trainer.masks.remove()
    labels = batch["labels"]
    real = labels != -100
    with torch.no_grad():
        theirs = dense(**batch).logits
    entropy = F.cross_entropy(student[real], labels[real])
    kl = F.kl_div(
        (student[real] / 3).log_softmax(-1), (theirs[real] / 3).softmax(-1), reduction="batchmean"
    )  # a mean over tokens
    penalty = trainer.gates.penalty(0).detach()
    assert min(float(entropy), float(kl)) > 0.01
    assert found == pytest.approx(float(0.5 * entropy + 0.25 * 9 * kl + penalty), rel=1e-5)


def test_cached_predictions_of_the_teacher_are_as_good(made, t5, batch):
    asked = []
    dense = copy.deepcopy(t5.model)
    dense.register_forward_hook(lambda *_: asked.append(1))
    teacher = Teacher(dense, {})
    with torch.no_grad():
        dense.lm_head.weight.mul_(1.5)
    trainer = made(Distillation(encoder_hidden=0.0), teacher=teacher)
    rows = {**batch, "index": torch.tensor([4, 5, 6])}
    with torch.no_grad():
        first, second = (float(trainer.compute_loss(trainer.model.eval(), dict(rows))) for _ in range(2))
        third = float(trainer.compute_loss(trainer.model, dict(batch)))  # rows without numbers
    assert len(asked) == 2
    assert second == pytest.approx(first, rel=1e-7), "in 16 bit the first time too"
    assert third == pytest.approx(first, rel=1e-3)


def test_weights_are_clipped_and_gates_are_not(made, batch):
    trainer = made(gated=True, clip=1e-3)
    optimizer = trainer.create_optimizer()
    trainer.compute_loss(trainer.model, dict(batch)).backward()
    weights = [p for p in trainer.model.parameters() if p.grad is not None]
    before = trainer.gates.log_alpha.grad.clone()
    optimizer.step()
    norm = torch.stack([p.grad.norm() for p in weights]).norm()
    assert float(norm) == pytest.approx(1e-3, rel=1e-3)
    assert torch.equal(trainer.gates.log_alpha.grad, before)
    assert float(before.norm()) > 1e-3


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_gates_keep_their_rates_and_every_weight_is_trained_once(made, optimizer):
    trainer = made(gated=True, optimizer=optimizer, warmup=0.25)
    built = trainer.create_optimizer()
    trained = [p for group in built.param_groups for p in group["params"]]
    everything = [*trainer.model.parameters(), *trainer.gates.parameters()]
    assert sorted(map(id, trained)) == sorted(map(id, everything))
    schedule = trainer.create_scheduler(STEPS)
    rates = []
    for _ in range(STEPS):
        rates.append([group["lr"] for group in built.param_groups])
        built.step()
        schedule.step()
    gates, multipliers = ([rate[at] for rate in rates] for at in (-2, -1))
    assert gates == [0.05] * STEPS
    assert multipliers == [0.05] * STEPS
    assert [rate[0] for rate in rates] == pytest.approx([RATE / 2, RATE, RATE * 2 / 3, RATE / 3])


@pytest.mark.parametrize(("steps", "warmup"), [(10, 4), (7, 0), (5, 5), (1, 1)])
def test_the_schedule_is_two_straight_lines(steps, warmup):
    for step in range(steps):
        rise = Fraction(step + 1, warmup + 1)
        fall = Fraction(steps - step, max(1, steps - warmup))
        expected = min(rise, fall, 1) if step < warmup else fall
        assert linear_schedule(step, steps, warmup) == pytest.approx(float(expected))
    assert linear_schedule(steps, steps, warmup) == 0


def test_an_epoch_holds_every_row_once_with_rows_of_like_length_together(made):
    trainer = made()
    lengths = [1 + n * 7 % 20 for n in range(160)]
    trainer.train_dataset = EncodedDataset([[3] * length for length in lengths], lengths, [[3]] * 160)
    for _ in range(2):
        batches = [batch["index"].tolist() for batch in trainer.get_train_dataloader()]
        assert sorted(row for batch in batches for row in batch) == list(range(160))
        differences = [abs(lengths[one] - lengths[other]) for one, other in batches]
        assert sum(differences) / len(differences) <= 1  # of rows in random order about 7
    assert max(lengths[row] for row in batches[0]) == 20  # the largest comes first: memory runs out at once or never


def test_a_training_that_diverges_stops_with_a_sentence(made):
    trainer = made(log_every=1)
    with torch.no_grad():
        next(trainer.model.parameters()).fill_(1e30)
    with pytest.raises(PrunekitError, match=r"diverged: at step [12] the loss is (nan|inf); lower training.learning"):
        trainer.train()


def test_figures_of_the_gates_are_logged_beside_the_loss(made):
    trainer = made(gated=True)
    seen = []
    trainer.callback_handler.on_log = lambda args, state, control, logs: seen.append(logs)
    trainer.log({"loss": 1.0})
    assert seen[0]["loss"] == 1.0
    assert {"encoder_sparsity", "encoder_target"} <= set(seen[0])
    assert seen[0]["encoder_target"] == 0.5


@pytest.mark.parametrize(
    ("precision", "flags"),
    [("fp32", (False, False)), ("bf16", (True, False)), ("auto", (False, False))],
)
def test_precision_is_as_asked(made, precision, flags):
    arguments = made(precision=precision).args
    assert (arguments.bf16, arguments.fp16) == flags
