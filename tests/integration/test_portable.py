"""Checkpoints away from home: where prunekit cannot be imported, and by transformers' own doors where it can.

The conformance kit loads every family so (the check ``portable``); here is what people do with the model then. Logits
may be apart by rounding, since memory lies elsewhere in another process.
"""

import json
import shutil
import subprocess
import sys
from textwrap import dedent
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers.utils import hub

import prunekit
from prunekit import Kind, PruningPlan
from prunekit.conformance import worker
from prunekit.cut import checkpoint

pytestmark = pytest.mark.parametrize(
    "every", ["t5-gated-untied", pytest.param("bart-scaled", marks=pytest.mark.full)], indirect=True
)

ALONE = f"""
import sys
sys.path.insert(0, {str(worker.__file__).rpartition("/")[0]!r})
from worker import BlockPrunekit
sys.meta_path.insert(0, BlockPrunekit())
"""


@pytest.fixture
def saved(every, tmp_path):
    """The tiny model without the first decoder layer, with ragged heads and channels, and its logits for two rows."""
    kept = {g.name: g.ids[1:] for g in every.graph.groups if g.name == "decoder.layers"}
    for number, group in enumerate(g for g in every.graph.groups if g.kind in (Kind.HEADS, Kind.FFN)):
        kept[group.name] = group.ids[number % 3 :]
    small = every.cut(PruningPlan(kept)).float().eval()
    checkpoint.save(small, tmp_path / "model")
    ids = torch.tensor([[5, 6, 7], [8, 9, 3]])
    with torch.no_grad():
        logits = small(input_ids=ids, decoder_input_ids=ids, use_cache=False).logits
    save_file({"ids": ids, "logits": logits.contiguous()}, tmp_path / "expected.safetensors")
    return tmp_path


def outcome(code, place, alone=True):
    """Run a program beside the saved model, in a process of its own."""
    whole = (ALONE if alone else "") + dedent(code)
    return subprocess.run([sys.executable, "-c", whole], cwd=place, capture_output=True, text=True)


def test_it_trains_and_halves_where_prunekit_is_not(saved):
    """A step of training lowers the loss, 16 bits generate, and what is saved again is the trained model."""
    found = outcome(
        """
        import torch
        from safetensors.torch import load_file
        from transformers import AutoModelForSeq2SeqLM
        expected = load_file("expected.safetensors")
        model = AutoModelForSeq2SeqLM.from_pretrained("model", trust_remote_code=True, dtype=torch.float32)
        given = {"input_ids": expected["ids"], "labels": expected["ids"]}
        logits = model(**given | {"decoder_input_ids": expected["ids"]}, use_cache=False).logits
        assert (logits - expected["logits"]).abs().max() <= 1e-6 * expected["logits"].abs().max()
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        before = model(**given).loss
        before.backward()
        optimizer.step()
        after = model(**given).loss
        assert after < before, (before, after)
        model.save_pretrained("trained")
        again = AutoModelForSeq2SeqLM.from_pretrained("trained", trust_remote_code=True, dtype=torch.float32)
        assert torch.equal(again(**given).loss, after)
        half = again.to(torch.bfloat16)
        assert half.generate(input_ids=expected["ids"], max_new_tokens=4, num_beams=2).shape[0] == 2
        """,
        saved,
    )
    assert found.returncode == 0, found.stderr
    trained = prunekit.from_pretrained(saved / "trained")
    assert checkpoint.plan_of(trained) == checkpoint.plan_of(prunekit.from_pretrained(saved / "model"))


@pytest.mark.parametrize(
    "first", ["import prunekit", pytest.param("import transformers.models.auto.modeling_auto", marks=pytest.mark.full)]
)
def test_with_prunekit_imported_no_flag_is_needed(saved, first):
    found = outcome(
        f"""
        {first}
        import prunekit
        from safetensors.torch import load_file
        from transformers import AutoModelForSeq2SeqLM
        expected = load_file("expected.safetensors")
        model = AutoModelForSeq2SeqLM.from_pretrained("model")
        assert type(model).__module__ == "prunekit.cut.pruned_model", type(model)
        logits = model(input_ids=expected["ids"], decoder_input_ids=expected["ids"], use_cache=False).logits
        assert (logits - expected["logits"]).abs().max() <= 1e-6 * expected["logits"].abs().max()
        """,
        saved,
        alone=False,
    )
    assert found.returncode == 0, found.stderr


def test_without_the_flag_a_stranger_is_told_of_it(saved):
    found = outcome(
        """
        from transformers import AutoModelForSeq2SeqLM
        AutoModelForSeq2SeqLM.from_pretrained("model", trust_remote_code=False)
        """,
        saved,
    )
    assert found.returncode != 0
    assert "trust_remote_code" in found.stderr


def test_a_stock_class_refuses_the_weights(saved, every):
    with pytest.raises(RuntimeError, match=r"size mismatch|mismatched"):
        type(every.model).from_pretrained(saved / "model")


def test_the_config_names_the_code_and_the_code_names_no_machine(saved):
    config = json.loads((saved / "model/config.json").read_text())
    assert set(config["auto_map"]) == {"AutoConfig", "AutoModelForSeq2SeqLM"}
    source = (saved / "model/modeling_prunekit.py").read_text()
    compile(source, "modeling_prunekit.py", "exec")
    assert not [line for line in source.splitlines() if line.startswith(("import prunekit", "from prunekit"))]
    assert str(saved) not in source


def test_a_model_saved_by_hand_is_as_portable(saved):
    model = prunekit.from_pretrained(saved / "model")
    model.save_pretrained(saved / "by hand")
    ours, theirs = ((saved / name / "modeling_prunekit.py").read_text() for name in ("model", "by hand"))
    assert ours == theirs
    one, other = (load_file(saved / name / "model.safetensors") for name in ("model", "by hand"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_it_is_pushed_whole(saved, monkeypatch):
    """Nothing leaves the machine: what would be uploaded is kept, and opened as somebody would who downloads it."""
    uploaded = saved / "hub"
    monkeypatch.setattr(
        hub, "hf_api", lambda: SimpleNamespace(create_repo=lambda name, **_: SimpleNamespace(repo_id=name))
    )
    monkeypatch.setattr(hub, "create_and_tag_model_card", lambda *_, **__: SimpleNamespace(save=lambda path: None))
    monkeypatch.setattr(
        hub.PushToHubMixin, "_upload_modified_files", lambda _, folder, *__, **___: shutil.copytree(folder, uploaded)
    )
    prunekit.from_pretrained(saved / "model").push_to_hub("me/small")
    found = outcome(
        """
        import torch
        from safetensors.torch import load_file
        from transformers import AutoModelForSeq2SeqLM
        expected = load_file("expected.safetensors")
        model = AutoModelForSeq2SeqLM.from_pretrained("hub", trust_remote_code=True)
        logits = model(input_ids=expected["ids"], decoder_input_ids=expected["ids"], use_cache=False).logits
        assert (logits - expected["logits"]).abs().max() <= 1e-6 * expected["logits"].abs().max()
        """,
        saved,
    )
    assert found.returncode == 0, found.stderr
