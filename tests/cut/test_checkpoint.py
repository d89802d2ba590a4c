"""Checkpoints: a fresh, offline process gets the very same model, and damage is an error, never a random weight."""

import copy
import cProfile
import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import T5ForConditionalGeneration

from prunekit import PrunekitError
from prunekit.cut import checkpoint
from prunekit.find.groups import Kind
from prunekit.find.plan import PruningPlan
from prunekit.testing import FAMILIES

PLAN = PruningPlan(
    {
        "encoder.layers": (1, 2),
        "encoder.1.self.heads": (),
        "encoder.1.ffn": (0, 3, 4),
        "encoder.2.ffn": (),
        "decoder.layers": (1, 2, 3),
        "decoder.1.self.heads": (0, 2, 3),
        "decoder.1.cross.heads": (),
        "decoder.3.self.heads": (),
        "decoder.3.ffn": (2, 3, 5, 7),
    }
)

FRESH = """
import sys
from pathlib import Path
import torch
from safetensors.torch import load_file, save_file
import prunekit
torch.set_num_threads(1)
place = Path(sys.argv[1])
batch = load_file(place / "batch.safetensors")
words = {key: batch[key] for key in ("input_ids", "attention_mask")}
answers = {}
for directory in sorted(path.parent for path in place.glob("*/config.json")):
    model = prunekit.from_pretrained(directory)
    assert not model.training
    with torch.inference_mode():
        answers[directory.name + ".logits"] = model(**batch).logits
        for name, way in {"beam": {"num_beams": 4}, "greedy": {}, "uncached": {"use_cache": False}}.items():
            ids = model.generate(**words, **way, max_new_tokens=8, min_new_tokens=8, no_repeat_ngram_size=1)
            answers[f"{directory.name}.{name}"] = ids
save_file({name: value.contiguous() for name, value in answers.items()}, place / "answers.safetensors")
"""


def logits(model, batch):
    with torch.inference_mode():
        return model(**batch).logits


@pytest.fixture(scope="module")
def cuts(case):
    """A cut model of every family, which tests leave as they are."""
    return {family: case(family).cut(PLAN) for family in FAMILIES}


@pytest.fixture(scope="module")
def place(tmp_path_factory, cuts, batch):
    """A directory with a checkpoint of every family."""
    directory = tmp_path_factory.mktemp("checkpoints")
    for family, model in cuts.items():
        checkpoint.save(model, directory / family)
    save_file(batch, directory / "batch.safetensors")
    return directory


@pytest.fixture(scope="module")
def answers(place):
    """What a fresh process without a network makes of the checkpoints; one process for all of them."""
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    subprocess.run([sys.executable, "-c", FRESH, str(place)], check=True, env=offline)
    return load_file(place / "answers.safetensors")


@pytest.fixture
def copied(place, tmp_path):
    """A copy of the gated T5's checkpoint to damage."""
    return shutil.copytree(place / "t5-gated", tmp_path / "copy")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_fresh_process_computes_the_same(cuts, answers, batch, family):
    assert torch.equal(answers[f"{family}.logits"], logits(cuts[family], batch))
    words = {key: batch[key] for key in ("input_ids", "attention_mask")}
    for name, way in {"beam": {"num_beams": 4}, "greedy": {}, "uncached": {"use_cache": False}}.items():
        ids = cuts[family].generate(**words, **way, max_new_tokens=8, min_new_tokens=8, no_repeat_ngram_size=1)
        assert torch.equal(answers[f"{family}.{name}"], ids), name


@pytest.mark.parametrize("family", FAMILIES)
def test_saving_what_was_loaded_gives_the_same_files(place, tmp_path, family):
    checkpoint.save(checkpoint.from_pretrained(place / family), tmp_path / "again")
    for name in ("model.safetensors", "config.json", "plan.json"):
        assert (tmp_path / "again" / name).read_bytes() == (place / family / name).read_bytes(), name


@pytest.mark.parametrize("family", FAMILIES)
def test_a_loaded_model_has_the_configs_of_the_one_that_was_saved(place, cuts, family):
    """In every module: stacks keep copies of their own, with their own number of layers."""
    loaded = checkpoint.from_pretrained(place / family)
    for (name, one), (_, other) in zip(cuts[family].named_modules(), loaded.named_modules(), strict=True):
        if hasattr(one, "config"):
            saved, found = one.config.to_dict(), other.config.to_dict()
            known = saved.keys() - {"architectures", "dtype", "_name_or_path"}
            assert {key: saved[key] for key in known} == {key: found.get(key) for key in known}, name


@pytest.mark.parametrize("family", FAMILIES)
def test_the_file_holds_every_parameter_once_and_empty_ones_as_rows_of_none(place, cuts, family):
    stored = load_file(place / family / "model.safetensors")
    assert {name: tuple(t.shape) for name, t in stored.items() if t.dim() > 0} == {
        name: tuple(t.shape) for name, t in [*cuts[family].named_parameters(), *cuts[family].named_buffers()]
    }
    assert any(0 in tensor.shape for tensor in stored.values())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_stays(cuts, tmp_path, batch, family, dtype):
    half = copy.deepcopy(cuts[family]).to(dtype)
    checkpoint.save(half, tmp_path / "half")
    loaded = checkpoint.from_pretrained(tmp_path / "half")
    assert {parameter.dtype for parameter in loaded.parameters()} == {dtype}
    assert torch.equal(logits(loaded, batch), logits(half, batch))


def test_another_dtype_may_be_asked_for(place):
    loaded = checkpoint.from_pretrained(place / "bart", dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.bfloat16}


def test_the_plan_lies_beside_the_weights(place, cuts):
    assert PruningPlan.load(place / "t5" / "plan.json") == PLAN
    assert checkpoint.plan_of(checkpoint.from_pretrained(place / "t5")) == PLAN
    assert checkpoint.is_pruned(place / "t5")


def test_a_dense_model_is_saved_without_a_plan(case, tmp_path):
    checkpoint.save(case("t5").model, tmp_path / "dense")
    assert not checkpoint.is_pruned(tmp_path / "dense")
    assert not (tmp_path / "dense" / "plan.json").exists()
    assert checkpoint.plan_of(case("t5").model) is None
    with pytest.raises(PrunekitError, match="does not hold a model that prunekit cut; load it with transformers"):
        checkpoint.from_pretrained(tmp_path / "dense")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_weights_that_are_cut_short(copied, share):
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: int(share * weights.stat().st_size)])
    with pytest.raises(PrunekitError, match=r"weights in '.*copy' are damaged or cut short"):
        checkpoint.from_pretrained(copied)


def rewritten(directory, change):
    tensors = load_file(directory / "model.safetensors")
    change(tensors)
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})


def test_a_missing_tensor_is_never_made_up(copied):
    rewritten(copied, lambda tensors: tensors.pop("decoder.block.1.layer.2.DenseReluDense.wo.weight"))
    with pytest.raises(PrunekitError, match=r"their config: missing decoder\.block\.1\.layer\.2.*wo\.weight"):
        checkpoint.from_pretrained(copied)


def test_a_missing_empty_tensor_is_noticed_too(copied):
    rewritten(copied, lambda tensors: tensors.pop("encoder.block.0.layer.0.SelfAttention.q.weight"))
    with pytest.raises(PrunekitError, match=r"do not fit their config: missing encoder\.block\.0\.layer\.0.*q\.weight"):
        checkpoint.from_pretrained(copied)


def test_a_missing_tied_table_is_noticed(copied):
    rewritten(copied, lambda tensors: tensors.pop("shared.weight"))
    with pytest.raises(PrunekitError, match="missing"):
        checkpoint.from_pretrained(copied)


def test_a_tensor_too_many(copied):
    rewritten(copied, lambda tensors: tensors.update({"encoder.block.7.stranger": torch.ones(2)}))
    with pytest.raises(PrunekitError, match=r"do not fit their config: unexpected encoder\.block\.7\.stranger\."):
        checkpoint.from_pretrained(copied)


@pytest.mark.parametrize("shape", [(3, 33), (4, 32), (0, 32), (96,)])
def test_a_tensor_of_another_shape(copied, shape):
    name = "encoder.block.0.layer.1.DenseReluDense.wi_0.weight"
    rewritten(copied, lambda tensors: tensors.update({name: torch.ones(shape)}))
    with pytest.raises(PrunekitError, match=r"cannot be loaded|do not fit their config"):
        checkpoint.from_pretrained(copied)


def test_no_weights_at_all(copied):
    (copied / "model.safetensors").unlink()
    with pytest.raises(PrunekitError, match=r"cannot be loaded"):
        checkpoint.from_pretrained(copied)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda config: config.update(model_type="prunekit-nothing"), "does not hold a model that prunekit cut"),
        (
            lambda config: config["prunekit"].update(format=99),
            "has checkpoint format 99; .* formats 2 to 3: upgrade prunekit",
        ),
        (lambda config: config.pop("prunekit"), "does not hold a model that prunekit cut"),
        (lambda config: config["prunekit"].pop("format"), "has checkpoint format None"),
    ],
)
def test_a_config_that_cannot_be_read(copied, change, sentence):
    config = json.loads((copied / "config.json").read_text())
    change(config)
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(PrunekitError, match=sentence):
        checkpoint.from_pretrained(copied)


def test_a_stock_class_fails_loudly_rather_than_loading_a_ragged_model(place):
    with pytest.raises(RuntimeError, match=r"mismatch|size|shape"):
        T5ForConditionalGeneration.from_pretrained(place / "t5")


class Unsaveable:
    """A tokenizer that writes half of itself."""

    def save_pretrained(self, directory):
        (directory / "tokenizer.json").write_text("{")
        raise OSError(28, "No space left on device")


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_save_that_fails_leaves_the_old_directory_and_no_litter(place, cuts, tmp_path):
    target = shutil.copytree(place / "t5", tmp_path / "model")
    before = contents(target)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(cuts["bart"], target, Unsaveable())
    assert contents(target) == before
    assert list(tmp_path.iterdir()) == [target]


def test_a_first_save_that_fails_leaves_nothing(cuts, tmp_path):
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(cuts["bart"], tmp_path / "model", Unsaveable())
    assert list(tmp_path.iterdir()) == []


def test_a_save_that_is_interrupted_at_the_last_moment_brings_the_old_directory_back(
    place, cuts, tmp_path, monkeypatch
):
    target = shutil.copytree(place / "t5", tmp_path / "model")
    before, rename = contents(target), os.replace

    def interrupted(source, destination):
        if destination == target and source.name != "old":
            raise KeyboardInterrupt
        rename(source, destination)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(cuts["bart"], target)
    assert contents(target) == before
    assert list(tmp_path.iterdir()) == [target]


def test_saving_over_a_checkpoint_replaces_it_whole(place, cuts, tmp_path, batch):
    target = shutil.copytree(place / "t5", tmp_path / "model")
    (target / "leftover.txt").write_text("of the old one")
    checkpoint.save(cuts["bart"], target)
    assert contents(target).keys() == contents(place / "bart").keys()
    assert torch.equal(logits(checkpoint.from_pretrained(target), batch), logits(cuts["bart"], batch))


def copies(model, batch):
    """How many objects are deeply copied while the model generates."""
    profile = cProfile.Profile()
    words = {key: batch[key] for key in ("input_ids", "attention_mask")}
    profile.runcall(model.generate, **words, max_new_tokens=2)
    return sum(entry.callcount for entry in profile.getstats() if getattr(entry.code, "co_name", "") == "deepcopy")


@pytest.mark.parametrize("family", FAMILIES)
def test_generation_copies_no_more_for_a_longer_plan(case, batch, tmp_path, family):
    """Transformers copies the config of an encoder-decoder several times a call, whatever stands in it."""
    widths = [group for group in case(family).graph.groups if group.kind is Kind.FFN]
    cuts = [PruningPlan({group.name: group.ids[1::2] for group in some}) for some in (widths[:1], widths[:-1])]
    live = [case(family).cut(plan) for plan in cuts]
    for model, name in zip(live, "ab", strict=True):
        checkpoint.save(model, tmp_path / name)
    for short, long in (live, [checkpoint.from_pretrained(tmp_path / name) for name in "ab"]):
        assert copies(short, batch) == copies(long, batch) > 0
