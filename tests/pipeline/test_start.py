"""A run that starts from another: what is gone stays gone, the dense model teaches, and strangers are refused."""

import dataclasses

import pytest
import torch

import prunekit
from prunekit import PrunekitError, PruningPlan, run
from prunekit._support.nested import over
from prunekit.pipeline import stages
from prunekit.pipeline.start import read_start
from prunekit.pipeline.state import open_run

TWO = {"strategy": "depth", "options": {"decoder_layers": [0, 2]}}
ONE = {"strategy": "depth", "options": {"decoder_layers": 1, "spacing": "loss"}}


@pytest.fixture
def first(recipe, tmp_path):
    """The directory of a run that kept two of three decoder layers, and was trained for three steps."""

    def make(**more):
        run(recipe(**{**TWO, "recovery": {"steps": 3}, "output": str(tmp_path / "first"), **more}))
        return tmp_path / "first"

    return make


def loaded(opened):
    """The state when the strategy is asked for the first time."""
    for stage in (stages.train_teacher, stages.cut_vocabulary, stages.load_start):
        opened = stage(opened)
    return opened


def test_the_recovered_weights_are_pruned_on(recipe, first, tmp_path):
    place = first()
    before = read_start(place).report
    saved = prunekit.from_pretrained(place / "model").state_dict()
    begun = loaded(open_run(recipe(**ONE, start=str(place))))
    assert begun.plan == PruningPlan({"decoder.layers": (0, 2)})
    assert [group.ids for group in begun.groups if group.name == "decoder.layers"] == [(0, 2)]
    live = begun.pruned.model.state_dict()
    assert live.keys() == saved.keys()
    assert all(torch.equal(live[name], saved[name]) for name in saved)
    assert len(begun.dense.model.decoder.block) == 3
    assert begun.teacher.model is begun.dense.model

    choices = [PruningPlan({"decoder.layers": (layer,)}) for layer in (0, 2)]
    losses = stages._bench(begun, "test", None).losses(choices)
    best = choices[losses.index(min(losses))]

    report = run(recipe(**ONE, start=str(place), recovery={"steps": 2}, output=str(tmp_path / "second")))
    assert PruningPlan.load(tmp_path / "second/plan.json") == best
    assert (report.parameters.dense, report.quality.dense) == (before.parameters.dense, before.quality.dense)
    assert (report.spent.examples, report.spent.before) == (8, before.spent)
    assert report.spent.in_all.examples == 8 + 12
    assert "before" not in (place / "report.json").read_text()
    assert read_start(tmp_path / "second").report == report


@pytest.mark.full
def test_fewer_tokens_are_kept_by_all_that_follow(recipe, first, tmp_path):
    place = first(vocabulary={"corpus": "task"})
    names = {"start": str(place), "recovery": {"steps": 2, "distillation": {"logits": 1.0}}}
    begun = loaded(open_run(recipe(**ONE, **names)))
    tokens = len(begun.pruned.processor.tokenizer)
    assert tokens == len(begun.pruned.model.get_input_embeddings().weight) < 32
    assert tokens == len(begun.teacher.model.get_input_embeddings().weight)
    assert len(begun.teacher.model.decoder.block) == 3
    run(recipe(**ONE, **names, output=str(tmp_path / "second")))
    plans = [PruningPlan.load(path / "plan.json") for path in (place, tmp_path / "second")]
    assert plans[0].then(plans[1]) == plans[1]
    fewer = dataclasses.replace(begun.plan, kept={**begun.plan.kept, "vocabulary": (0, 1, 2)})
    (tmp_path / "fewer.json").write_text(fewer.to_json())
    with pytest.raises(PrunekitError, match=r"removes tokens that the run in .* kept"):
        open_run(recipe(start=str(place), plan=str(tmp_path / "fewer.json")))


def test_a_plan_that_keeps_nothing_of_what_is_there_is_refused_before_any_work(recipe, first, tmp_path):
    """The model has this layer, but the run that is started from removed it."""
    (tmp_path / "gone.json").write_text(PruningPlan({"decoder.layers": (1,)}).to_json())
    asked = recipe(start=str(first(recovery={"steps": 0})), plan=str(tmp_path / "gone.json"))
    with pytest.raises(PrunekitError, match=r"leaves nothing of 'decoder\.layers'"):
        stages.check_given_plan(open_run(asked))


REFUSED = {
    "no run": ({"start": "nowhere"}, "No run can start from 'nowhere' .* it has no recipe.yaml"),
    "a speed": ({"target": {"speedup": 2.0}}, "cannot aim at a speed"),
    "a teacher": ({"teacher": {"steps": 3}}, "has a dense model of its own"),
    "tokens": ({"vocabulary": {"corpus": "task"}}, "kept its own choice of tokens"),
    "a prefix": ({"task": {"prefix": "say: "}}, "its task.prefix is '', this one's is 'say: '"),
}


def test_what_does_not_fit_is_refused_before_anything_is_written(recipe, first, tmp_path, bart_directory):
    place = first()
    REFUSED["another model"] = ({"model": str(bart_directory)}, "pruned another dense model")
    for keys, message in REFUSED.values():
        data = over(recipe(**ONE).model_dump(exclude_unset=True), {"start": str(place), **keys})
        with pytest.raises(PrunekitError, match=message):
            open_run(prunekit.Recipe.parse(data))
    assert not (tmp_path / "run").exists()
    found = prunekit.dry_run(recipe(**ONE, start=str(place)))
    assert found.forecast.shape.decoder_layers == 1

    (place / "plan.json").write_text(PruningPlan({"decoder.layers": (0, 1)}).to_json())
    with pytest.raises(PrunekitError, match=r"is not the one of the plan\.json"):
        read_start(place)
    (place / "work").mkdir()
    (place / "work/recipe.yaml").touch()
    with pytest.raises(PrunekitError, match="is not finished"):
        read_start(place)


@pytest.mark.full
def test_widths_that_are_narrow_enough_are_not_narrowed_again(recipe, first, tmp_path):
    narrow = {"strategy": "nash", "options": {"decoder_layers": 2, "encoder_sparsity": 0.5}}
    place = first(**narrow)
    options = {"decoder_layers": 1, "encoder_sparsity": 0.5}
    run(recipe(strategy="nash", options=options, start=str(place), output=str(tmp_path / "second")))
    before, after = (PruningPlan.load(path / "plan.json").kept for path in (place, tmp_path / "second"))
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == {"decoder.layers"}
