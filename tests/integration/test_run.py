"""Whole runs on tiny models: same seed same plan, killed and resumed, pruned twice, trained as promised."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSeq2SeqLM, T5Config, T5ForConditionalGeneration

import prunekit
from prunekit import PrunekitError, PruningPlan, Recipe
from prunekit.learn.training.trainer import PruningTrainer
from prunekit.pipeline import checked_cut
from prunekit.pipeline.run import run

SIZES = {"batch": 8, "repeats": 1, "least_quality": 0, "workloads": [{"source": 4, "new_tokens": 3}]}


def recipe(directory, pairs, output, **more):
    task = {"train": str(pairs), "eval": str(pairs), "source": "a", "target": "b", "metric": "exact_match"}
    task |= {"target_length": 8}
    training = {"batch": 4, "learning_rate": 0.01, "precision": "fp32", **more.pop("training", {})}
    base = {"model": str(directory), "output": str(output), "task": task, "training": training, "measure": SIZES}
    return Recipe.parse({**base, "device": "cpu", "round_to": 1, **more})


def nash(directory, pairs, output, **more):
    options = {"decoder_layers": 2, "encoder_sparsity": 0.5, "steps": 12, "warmup": 0.5, "gate_learning_rate": 0.5}
    options |= {"layer_choice": "even", "narrowing": "gates"}
    return recipe(directory, pairs, output, options=options, **{"recovery": {"steps": 4}, **more})


def weights(directory):
    return prunekit.from_pretrained(directory / "model").state_dict()


def test_the_same_seed_gives_the_same_plan_and_weights(t5_directory, pairs, tmp_path):
    first, second = (run(nash(t5_directory, pairs, tmp_path / name)) for name in ("a", "b"))
    assert (tmp_path / "a/plan.json").read_text() == (tmp_path / "b/plan.json").read_text()
    assert first.sparsity == second.sparsity
    one, other = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_nash_meets_its_target_and_trains(t5_directory, pairs, tmp_path):
    report = run(nash(t5_directory, pairs, tmp_path / "run"))
    assert report.layers.decoder_kept == [0, 2]
    # 2 layers, heads of 4 * 16 * 4 and channels of 2 * 16 parameters: the largest step is one head of 256 of 3584
    assert 0.5 <= report.sparsity.encoder < 0.5 + 256 / 3584
    assert report.equivalence is not None
    assert report.equivalence.tokens_equal
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert {entry["phase"] for entry in log} == {"learn", "recover"}
    before = load_file(t5_directory / "model.safetensors")
    assert not torch.equal(weights(tmp_path / "run")["shared.weight"], before["shared.weight"])


def test_a_run_stops_where_the_cut_computes_something_else(t5_directory, pairs, tmp_path, monkeypatch):
    right = checked_cut.cut

    def wrong(model, *given):
        right(model, *given)
        with torch.no_grad():
            model.encoder.block[0].layer[0].SelfAttention.o.weight.mul_(1.01)

    monkeypatch.setattr(checked_cut, "cut", wrong)
    with pytest.raises(PrunekitError, match="differs from the masked one"):
        run(nash(t5_directory, pairs, tmp_path / "run"))
    assert not (tmp_path / "run").exists(), "NASH drops layers before any training, and the directory is claimed then"


def interrupted(asked, tmp_path, stage, step):
    """Run `asked` in a process of its own, and kill that at a step of a stage."""
    (tmp_path / "recipe.yaml").write_text(asked.dump())
    there = tmp_path / "there"
    words = [sys.executable, "-c", KILLED, str(tmp_path / "recipe.yaml"), stage, str(step), str(there)]
    process = subprocess.Popen(words, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 120
    try:
        while not there.exists():
            assert process.poll() is None, "it ended before it got there"
            assert time.monotonic() < deadline, "it never got there"
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


KILLED = """
import sys
from pathlib import Path
from prunekit.pipeline.run import run
from prunekit.recipe import Recipe

def progress(stage, done, total, figures):
    if stage == sys.argv[2] and done == int(sys.argv[3]):
        Path(sys.argv[4]).touch()
        import time
        time.sleep(60)

run(Recipe.load(sys.argv[1]), progress)
"""


@pytest.mark.parametrize(("stage", "step"), [("learn", 8), pytest.param("recover", 2, marks=pytest.mark.full)])
def test_a_killed_run_resumes_to_the_same_result(t5_directory, pairs, tmp_path, stage, step):
    asked = nash(t5_directory, pairs, tmp_path / "killed", training={"save_every": 3})
    interrupted(asked, tmp_path, stage, step)
    assert not (tmp_path / "killed/report.json").exists()
    with pytest.raises(PrunekitError, match="another recipe"):
        run(asked.model_copy(update={"seed": 1}))
    run(asked)
    run(nash(t5_directory, pairs, tmp_path / "whole", training={"save_every": 3}))
    assert (tmp_path / "killed/plan.json").read_text() == (tmp_path / "whole/plan.json").read_text()
    one, other = weights(tmp_path / "killed"), weights(tmp_path / "whole")
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not (tmp_path / "killed/work").exists()


KEPT = {"read_every": 2, "keep_best": True, "best_by": "metric", "learning_rate": 0.1, "schedule": "constant"}


@pytest.mark.full
def test_a_run_killed_in_bf16_keeps_the_same_best_weights(t5_directory, pairs, tmp_path):
    def asked(name):
        training = {**KEPT, "precision": "bf16", "save_every": 3}
        depth = {"strategy": "depth", "options": {"decoder_layers": 2}, "recovery": {"steps": 14}}
        return recipe(t5_directory, pairs, tmp_path / name, training=training, **depth)

    interrupted(asked("killed"), tmp_path, "recover", 11)
    readings = json.loads((tmp_path / "killed/work/recover-1/readings.json").read_text())
    assert [step for step, _ in readings] == [2, 4, 6, 8, 10]
    run(asked("killed"))
    run(asked("whole"))
    one, other = weights(tmp_path / "killed"), weights(tmp_path / "whole")
    assert all(torch.equal(one[name], other[name]) for name in one)
    logs = [losses((tmp_path / name / "log.jsonl").read_text()) for name in ("killed", "whole")]
    assert logs[0] == logs[1]
    assert len({reading for _, _, reading in logs[0] if reading is not None}) > 1


def losses(text):
    lines = [json.loads(line) for line in text.splitlines()]
    return [(line["step"], line.get("loss"), line.get("eval_loss")) for line in lines if "train_runtime" not in line]


@pytest.mark.parametrize("by", [pytest.param("loss", marks=pytest.mark.full), "metric"])
def test_the_best_of_all_readings_is_what_a_recovery_ends_with(t5_directory, letters, tmp_path, by):
    """200 rows that are learnt by heart: dev and test rows are those that are trained on."""
    words = [f"{one} {two}" for one in "abcdefghijklmnopqrst" for two in "abcdefghij"]
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"a": word, "b": word[0]}) + "\n" for word in words))
    config = T5Config.from_pretrained(t5_directory, initializer_factor=1.0)  # of larger weights it learns slowly
    torch.manual_seed(0)
    T5ForConditionalGeneration(config).save_pretrained(tmp_path / "dense")
    letters.save_pretrained(tmp_path / "dense")
    training = {**KEPT, "best_by": by, "read_every": 25, "batch": 50, "learning_rate": 0.01}
    depth = {"strategy": "depth", "options": {"decoder_layers": 2}, "recovery": {"steps": 150}}
    report = run(recipe(tmp_path / "dense", rows, tmp_path / "run", training=training, **depth))
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    read = [line for line in log if "eval_loss" in line]
    assert len(read) == 6
    if by == "loss":
        assert report.quality.loss.pruned <= min(line["eval_loss"] for line in read) + 1e-4
    else:
        assert report.quality.pruned >= max(line["eval_metric"] for line in read) - 1e-9
    assert report.quality.pruned > 0.9, "most rows are known by heart"


def test_a_pruned_model_is_pruned_again_in_the_original_numbers(t5_directory, pairs, tmp_path):
    uniform = {"strategy": "uniform", "options": {"encoder_sparsity": 0.25, "decoder_layers": [0, 2]}}
    run(recipe(t5_directory, pairs, tmp_path / "one", **uniform))
    more = {"strategy": "uniform", "options": {"encoder_sparsity": 0.5, "decoder_layers": [2]}}
    report = run(recipe(tmp_path / "one/model", pairs, tmp_path / "two", **more))
    assert report.layers.decoder_kept == [2]
    first = PruningPlan.load(tmp_path / "one/plan.json")
    second = PruningPlan.load(tmp_path / "two/plan.json")
    for name, ids in second.kept.items():
        assert set(ids) <= set(first.kept.get(name, ids))
    assert report.parameters.pruned == sum(
        p.numel() for p in prunekit.from_pretrained(tmp_path / "two/model").parameters()
    )
    again = run(recipe(t5_directory, pairs, tmp_path / "file", plan=str(tmp_path / "two/plan.json")))
    assert again.parameters.pruned == report.parameters.pruned
    assert again.strategy is None


@pytest.mark.parametrize(
    ("family", "importance"),
    [
        ("bart", "first_order"),
        pytest.param("bart", "magnitude", marks=pytest.mark.full),
        pytest.param("mt5", "magnitude", marks=pytest.mark.full),
    ],
)
def test_uniform_works_gradually(request, pairs, tmp_path, family, importance):
    options = {"encoder_sparsity": 0.3, "decoder_sparsity": 0.4, "importance": importance, "rounds": 2, "steps": 4}
    directory = request.getfixturevalue(f"{family}_directory")
    report = run(recipe(directory, pairs, tmp_path / "run", strategy="uniform", options=options))
    assert 0.3 <= report.sparsity.encoder < 0.45
    heads, channels = report.widths.heads["encoder.self"], report.widths.ffn["encoder"]
    assert max(heads) - min(heads) <= 1
    assert max(channels) - min(channels) <= 1


def test_a_dense_model_that_cannot_do_the_task_is_refused(t5_directory, pairs, tmp_path):
    asked = recipe(t5_directory, pairs, tmp_path / "run", measure={**SIZES, "least_quality": 0.5})
    with pytest.raises(PrunekitError, match=r"has not learned the task.*teacher\.steps"):
        run(asked)


def test_the_teacher_can_be_trained_first(t5_directory, pairs, tmp_path):
    plain = {"strategy": "uniform", "options": {"encoder_sparsity": 0.2}}
    run(recipe(t5_directory, pairs, tmp_path / "run", teacher={"steps": 120, "learning_rate": 0.005}, **plain))
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    losses = [entry["loss"] for entry in log if entry["phase"] == "teacher" and "loss" in entry]
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize(
    ("options", "steps", "told"),
    [({"steps": 0}, 0, True), ({"steps": 0}, 1, False), ({"narrowing": "gates", "steps": 1}, 0, False)],
)
def test_a_run_that_trains_nothing_says_so(t5_directory, pairs, tmp_path, caplog, options, steps, told):
    options |= {"decoder_layers": 2}
    run(recipe(t5_directory, pairs, tmp_path / "run", options=options, recovery={"steps": steps}))
    assert ("Nothing was trained" in caplog.text) == told


@pytest.fixture
def seen(monkeypatch):
    """The examples of every training batch, as the model sees them."""
    sizes = []
    original = PruningTrainer.compute_loss

    def counted(self, model, inputs, *args, **named):
        if "/work/" in self.args.output_dir:  # not the steps that are timed beforehand, on copies
            sizes.append(len(inputs["labels"]))
        return original(self, model, inputs, *args, **named)

    monkeypatch.setattr(PruningTrainer, "compute_loss", counted)
    return sizes


@pytest.mark.parametrize(
    ("batch", "accumulate"),
    [pytest.param(3, 1, marks=pytest.mark.full), (3, 2), pytest.param(16, 1, marks=pytest.mark.full)],
)
def test_a_budget_of_examples_is_met_to_the_last_step(t5_directory, pairs, tmp_path, seen, batch, accumulate):
    training = {"batch": batch, "accumulate": accumulate}
    asked = nash(t5_directory, pairs, tmp_path / "run", budget={"examples": 150}, training=training)
    report = run(asked)
    assert report.spent.examples == sum(seen)
    assert 150 - batch * accumulate < sum(seen) <= 150
    done = Recipe.load(tmp_path / "run/recipe.yaml")
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert done.recovery.steps == max(entry["step"] for entry in log if entry["phase"] == "recover")
    assert not done.budget.limited


def test_scoring_by_the_loss_is_paid_for(t5_directory, pairs, tmp_path):
    options = {"encoder_sparsity": 0.3, "importance": "first_order"}
    asked = recipe(t5_directory, pairs, tmp_path / "run", strategy="uniform", options=options, recovery={"steps": 0})
    assert run(asked).spent.examples == 8  # every row once; the strategy asks for more batches than there are


def test_a_strategy_that_outspends_the_budget_is_stopped_before_it_does(t5_directory, pairs, tmp_path, seen):
    with pytest.raises(PrunekitError, match=r"needs 48 training examples.*budget\.examples is 40"):
        run(nash(t5_directory, pairs, tmp_path / "run", budget={"examples": 40}))
    assert not seen
    assert not (tmp_path / "run").exists()


@pytest.mark.full
@pytest.mark.parametrize("stages", [[], [{"frozen": ["encoder"], "share": 3}, {"share": 2, "rate": 0.3}]])
def test_a_budget_of_seconds_is_recorded_as_steps_that_repeat_the_run(t5_directory, pairs, tmp_path, stages):
    recovery = {"distillation": {"logits": 0.5, "encoder_hidden": 0.0}, "stages": stages}
    first = run(nash(t5_directory, pairs, tmp_path / "a", budget={"cpu_seconds": 3.0}, recovery=recovery))
    done = Recipe.load(tmp_path / "a/recipe.yaml")
    assert done.recovery.steps >= 1
    assert not done.budget.limited
    second = run(done.model_copy(update={"output": str(tmp_path / "b")}))
    assert first.spent.examples == second.spent.examples == 4 * (12 + done.recovery.steps)
    assert first.recovery == second.recovery
    assert len(first.recovery) == len(stages)
    one, other = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.full
def test_a_resumed_run_keeps_the_steps_that_its_budget_came_to(t5_directory, pairs, tmp_path):
    stages = [{"frozen": ["encoder"]}, {"rate": 0.5}]
    more = {"training": {"save_every": 50}, "budget": {"cpu_seconds": 2.5}, "recovery": {"stages": stages}}
    asked = nash(t5_directory, pairs, tmp_path / "run", **more)
    interrupted(asked, tmp_path, "recover", 1)
    found = json.loads((tmp_path / "run/work/recovery_stage_steps.json").read_text())
    spent = json.loads((tmp_path / "run/work/spent.json").read_text())["seconds"]
    report = run(asked)
    resolved = Recipe.load(tmp_path / "run/recipe.yaml").recovery
    assert [stage.share for stage in resolved.stages] == found
    assert report.spent.examples == 4 * (12 + sum(found)) == 4 * (12 + resolved.steps)
    assert report.spent.cpu_seconds > spent > 0


def test_random_weights_are_new_and_have_the_pruned_shape(t5_directory, pairs, tmp_path):
    plain = {"strategy": "uniform", "options": {"encoder_sparsity": 0.5, "decoder_layers": [0, 2]}}
    kept = run(recipe(t5_directory, pairs, tmp_path / "kept", **plain))
    plan = {"plan": str(tmp_path / "kept/plan.json")}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        random = {"weights": "random", "steps": 0}
        report = run(recipe(t5_directory, pairs, tmp_path / name, recovery=random, seed=seed, **plan))
        assert report.parameters == kept.parameters
        assert report.quality.dense == kept.quality.dense
    old, a, b, c = (weights(tmp_path / name) for name in ("kept", "a", "b", "c"))
    matrices = [name for name, value in old.items() if value.dim() == 2]
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert {name: a[name].shape for name in a} == {name: old[name].shape for name in old}
    for name in matrices:
        assert not torch.isin(a[name], old[name]).any()
        assert not torch.isin(a[name], c[name]).any()


def test_known_answers_of_the_dense_model_are_not_generated_again(t5_directory, pairs, tmp_path):
    plain = {"strategy": "uniform", "options": {"encoder_sparsity": 0.5}}
    run(recipe(t5_directory, pairs, tmp_path / "one", **plain))
    lines = [json.loads(line) for line in (tmp_path / "one/predictions.jsonl").read_text().splitlines()]
    assert [line["source"] for line in lines] == ["a b c", "d e", "f", "g h i", "a c", "b d f", "e", "h a b"]
    known = tmp_path / "known.jsonl"
    answered = [{**line, "dense": line["references"][0] if n < 3 else "?"} for n, line in enumerate(lines)]
    known.write_text("".join(json.dumps(line) + "\n" for line in answered))
    measure = {**SIZES, "dense_predictions": str(known)}
    report = run(recipe(t5_directory, pairs, tmp_path / "two", measure=measure, **plain))
    assert report.quality.dense == 3 / 8
    known.write_text("".join(json.dumps(line) + "\n" for line in reversed(answered)))
    with pytest.raises(PrunekitError, match="other test rows"):
        run(recipe(t5_directory, pairs, tmp_path / "three", measure=measure, **plain))


@pytest.mark.parametrize(
    "options", [{"decoder_layers": 1}, pytest.param({"encoder_layers": 1}, marks=pytest.mark.full)]
)
def test_a_depth_plan_needs_no_flag_and_its_card_says_so(t5_directory, pairs, tmp_path, options):
    run(recipe(t5_directory, pairs, tmp_path / "run", strategy="depth", options=options))
    card = (tmp_path / "run/model/README.md").read_text()
    assert "trust_remote_code" not in card
    stock = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "run/model")
    assert type(stock) is T5ForConditionalGeneration
    ids = torch.tensor([[3, 4, 1]])
    ours = prunekit.from_pretrained(tmp_path / "run/model")
    assert torch.equal(*(model.generate(input_ids=ids, num_beams=2, max_new_tokens=6) for model in (stock, ours)))


def test_the_card_of_ragged_shapes_names_the_flag(t5_directory, pairs, tmp_path):
    run(nash(t5_directory, pairs, tmp_path / "run"))
    assert "trust_remote_code=True" in (tmp_path / "run/model/README.md").read_text()


@pytest.mark.full
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_asked_to_stop_saves_and_says_how_to_go_on(t5_directory, pairs, tmp_path, number, code):
    """It is asked in recovery; the next checkpoint would be far away."""
    asked = recipe(t5_directory, pairs, tmp_path / "run", strategy="depth", options={"decoder_layers": 2})
    asked = asked.model_copy(update={"recovery": asked.recovery.model_copy(update={"steps": 150})})
    (tmp_path / "recipe.yaml").write_text(asked.dump())
    words = [sys.executable, "-m", "prunekit", "run", str(tmp_path / "recipe.yaml")]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=alone, start_new_session=True)
    log = tmp_path / "run/log.jsonl"
    deadline = time.monotonic() + 120
    while not (log.exists() and log.read_text()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == code
    what = "interrupted" if number == signal.SIGINT else "stopped by SIGTERM"
    assert said.splitlines()[-1] == f"{what}; the same command resumes it."
    saved = [int(path.name.partition("-")[2]) for path in (tmp_path / "run/work/recover-1").glob("checkpoint-*")]
    assert 20 <= saved[0] < 150
    run(asked)
    run(asked.model_copy(update={"output": str(tmp_path / "whole")}))
    one, other = weights(tmp_path / "run"), weights(tmp_path / "whole")
    assert all(torch.equal(one[name], other[name]) for name in one)
