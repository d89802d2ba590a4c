"""Exports to ONNX: bare sessions compute what the pruned model does, and `generate` says the same in every way."""

import copy
import sys
from functools import partial

import numpy as np
import pytest
import torch
import transformers
from typer.testing import CliRunner

import prunekit
from prunekit import Kind, PruningPlan
from prunekit.cli import app
from prunekit.conformance import ModelUnderTest
from prunekit.cut import checkpoint
from prunekit.export import onnx_parity, to_onnx
from prunekit.export.export import export_model
from prunekit.export.formats import ExportFormat
from prunekit.testing.models import BART_SIZES
from prunekit_adapters.bart import Bart
from prunekit_adapters.led import Led

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

WAYS = {
    "greedy": {},
    "beams": {"num_beams": 4, "num_return_sequences": 2, "length_penalty": 0.5},
    "sampled": {"do_sample": True, "top_k": 0},
    "uncached": {"use_cache": False},
    "prompted": {"decoder_input_ids": torch.tensor([[3, 4, 5]]).repeat(4, 1)},
}


def ragged(groups):
    """No layer like another, attentions of each kind emptied, the first decoder layer gone, a narrow encoder."""
    kept = {g.name: g.ids[1:] for g in groups if g.name == "decoder.layers"}
    for number, group in enumerate(g for g in groups if g.kind in (Kind.HEADS, Kind.FFN)):
        kept[group.name] = group.ids[number % 3 :]
    kept |= dict.fromkeys(("encoder.1.self.heads", "decoder.2.self.heads", "decoder.3.cross.heads"), ())
    kept |= {g.name: g.ids[3:] for g in groups if g.name == "encoder.hidden"}
    return PruningPlan(kept)


def run(source, target, *more):
    return CliRunner().invoke(app, ["export", str(source), "--to", "onnx", "--output", str(target), *more])


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A ragged model of a case and the directory of its export; made once."""
    made = {}

    def export(case):
        if case.family not in made:
            small = case.cut(ragged(case.graph.groups)).float().eval()
            target = tmp_path_factory.mktemp(case.family)
            to_onnx.export_onnx(small, case.adapter, case.graph, target)
            made[case.family] = small, target
        return made[case.family]

    return export


@pytest.fixture(scope="module")
def saved(case, tmp_path_factory):
    """The directory of a ragged T5."""
    place = tmp_path_factory.mktemp("saved") / "small"
    checkpoint.save(case("t5").cut(ragged(case("t5").graph.groups)).float(), place)
    (place / "tokenizer.json").write_text("{}")
    return place


def texts(config, rows, length):
    """Random texts, some of them padded right, some left."""
    generator = torch.Generator().manual_seed(rows)
    ids = torch.randint(3, config.vocab_size, (rows, length), generator=generator)
    mask = torch.ones_like(ids)
    mask[1::3, length // 2 :], mask[2::3, : length // 3] = 0, 0
    return {"input_ids": ids, "attention_mask": mask}


def by_hand(target, ids, mask, tokens):
    """Log-probabilities [rows, tokens, vocabulary] by the sessions alone, token by token from an empty past."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    encoder, decoder = (onnxruntime.InferenceSession(target / f"{n}.onnx", options) for n in ("encoder", "decoder"))
    names = [each.name for each in encoder.get_outputs()]
    cross = dict(zip(names, encoder.run(None, {"input_ids": ids, "attention_mask": mask}), strict=True))
    cross.pop("last_hidden_state")
    asked = [each for each in decoder.get_inputs() if each.name.startswith("past.")]
    past = {each.name: np.zeros((len(ids), each.shape[1], 0, each.shape[3]), np.float32) for each in asked}
    logits = []
    for place in range(tokens.shape[1]):
        given = {"attention_mask": mask, "decoder_input_ids": tokens[:, place : place + 1], **cross, **past}
        found, *present = decoder.run(None, given)
        past = dict(zip(past, present, strict=True))
        logits.append(torch.from_numpy(found))
    return torch.cat(logits, dim=1).log_softmax(-1)


@pytest.mark.parametrize(
    "family", ["t5", *(pytest.param(each, marks=pytest.mark.full) for each in ("t5-gated-untied", "mt5")), "bart"]
)
def test_a_hundred_inputs_score_and_decode_the_same(case, exported, family):
    small, target = exported(case(family))
    inputs, tokens = texts(small.config, 100, 9), texts(small.config, 100, 6)["input_ids"]
    expected, exact = (
        model(**inputs, decoder_input_ids=tokens).logits.detach().log_softmax(-1)
        for model in (small, copy.deepcopy(small).double())
    )
    found = by_hand(target, inputs["input_ids"].numpy(), inputs["attention_mask"].numpy(), tokens.numpy())
    rounding = float((expected - exact).abs().max())  # of torch itself, which the sharp weights of an mT5 enlarge
    assert float((found - expected).abs().max()) <= max(1e-4, 2 * rounding)
    options = {"max_new_tokens": 10, "min_new_tokens": 10, "no_repeat_ngram_size": 1}
    assert torch.equal(
        prunekit.from_onnx(target, threads=1).generate(**inputs, **options), small.generate(**inputs, **options)
    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", ["t5", "t5-gated-untied", "bart"])
def test_every_way_of_generating_gives_the_same_tokens(case, exported, family, way):
    small, target = exported(case(family))
    inputs = texts(small.config, 4, 7)
    answers = []
    for model in (small, prunekit.from_onnx(target, threads=1)):
        torch.manual_seed(0)
        answers.append(model.generate(**inputs, **WAYS[way], max_new_tokens=10, no_repeat_ngram_size=2))
    assert torch.equal(*answers)


def test_the_encoder_runs_once_and_the_decoder_holds_none_of_its_projections(case, exported):
    small, target = exported(case("t5"))
    model = prunekit.from_onnx(target, threads=1)
    runs = []
    model.encoder.register_forward_hook(lambda *_: runs.append(1))
    model.generate(**texts(small.config, 2, 7), num_beams=3, max_new_tokens=8, min_new_tokens=8)
    assert runs == [1]

    def holds(name, weight):
        tensors = map(onnx.numpy_helper.to_array, onnx.load(target / f"{name}.onnx").graph.initializer)
        return any(np.array_equal(tensor, weight.detach().T) for tensor in tensors)

    attention = small.decoder.block[0].layer[1].EncDecAttention
    for projection in (attention.k, attention.v):
        assert holds("encoder", projection.weight)
        assert not holds("decoder", projection.weight)
    assert holds("decoder", attention.q.weight)
    assert not holds("encoder", attention.q.weight)


def test_the_command_writes_what_belongs_to_text_and_a_stock_config(saved, tmp_path):
    done = run(saved, tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    assert "equal for 16 of 16 inputs" in " ".join(done.stdout.split())
    names = {"encoder.onnx", "decoder.onnx", "config.json", "generation_config.json", "tokenizer.json"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    config = transformers.AutoConfig.from_pretrained(tmp_path / "out")
    assert type(config) is transformers.T5Config
    assert (config.num_layers, config.num_decoder_layers) == (3, 3)


@pytest.mark.parametrize("family", ["t5", pytest.param("bart", marks=pytest.mark.full)])
def test_nothing_but_layers_without_heads_and_channels(case, tmp_path, family):
    one = case(family)
    plan = PruningPlan({g.name: () for g in one.graph.groups if g.kind in (Kind.HEADS, Kind.FFN)})
    small = one.cut(plan).float().eval()
    to_onnx.export_onnx(small, one.adapter, one.graph, tmp_path)
    assert onnx_parity.check_onnx(small, tmp_path, exact=True).equal == 16


def test_weights_in_many_files_become_one(case, exported, tmp_path):
    small, target = exported(case("bart"))
    many, one = tmp_path / "many", tmp_path / "one"
    for place in (many, one):
        place.mkdir()
    graph = onnx.load(target / "decoder.onnx")
    options = {"all_tensors_to_one_file": False, "size_threshold": 0}
    onnx.save_model(graph, many / "decoder.onnx", save_as_external_data=True, **options)
    assert len(list(many.iterdir())) > 10
    to_onnx._gather(many / "decoder.onnx", one / "decoder.onnx")
    assert {path.name for path in one.iterdir()} == {"decoder.onnx", "decoder.onnx.data"}
    for name in ("encoder.onnx", "config.json", "generation_config.json"):
        (one / name).write_bytes((target / name).read_bytes())
    assert onnx_parity.check_onnx(small, one, exact=True).equal == 16


KIN = {
    "MarianConfig": {
        "pad_token_id": 59,
        "decoder_start_token_id": 59,
        "eos_token_id": 0,
        "decoder_vocab_size": 64,
        "share_encoder_decoder_embeddings": False,
        "tie_word_embeddings": False,
    },
    "M2M100Config": {
        "forced_bos_token_id": 7,
        "pad_token_id": 1,
        "decoder_start_token_id": 2,
        "eos_token_id": 2,
        "bos_token_id": 0,
    },
    "MBartConfig": {"pad_token_id": 1, "decoder_start_token_id": 2, "eos_token_id": 2},
    "PegasusConfig": {"pad_token_id": 0, "decoder_start_token_id": 0, "eos_token_id": 1},
}
"""Special tokens as real models have them, by which some of these count positions; two vocabularies, a language."""


@pytest.mark.full
@pytest.mark.parametrize("name", KIN)
def test_the_kin_of_bart(name, tmp_path):
    config = getattr(transformers, name)(**{**BART_SIZES, "vocab_size": 60, **KIN[name]})
    specimen = ModelUnderTest.tiny(Bart(), config, torch.float32)
    small = specimen.cut(ragged(specimen.graph.groups)).eval()
    small.generation_config.forced_bos_token_id = 7  # a language, as a run writes it
    to_onnx.export_onnx(small, Bart(), specimen.graph, tmp_path)
    found = onnx_parity.check_onnx(small, tmp_path, exact=True)
    assert found.equal == 16
    assert found.difference < 1e-5
    tokens = prunekit.from_onnx(tmp_path, threads=1).generate(**texts(config, 2, 5), max_new_tokens=3)
    assert tokens[:, 1].tolist() == [7, 7]


@pytest.mark.full
def test_int8_is_written_and_its_distance_said(case, saved, tmp_path):
    done = run(saved, tmp_path / "out", "--quantization", "int8")
    assert done.exit_code == 0, done.stderr
    assert "scores differ by" in done.stdout
    graph, config = onnx.load(tmp_path / "out" / "decoder.onnx").graph, case("t5").config
    (head,) = (t for t in graph.initializer if list(t.dims) == [config.d_model, config.vocab_size])
    assert head.data_type == onnx.TensorProto.UINT8


@pytest.mark.full
def test_a_graph_that_computes_something_else_is_found_and_nothing_written(saved, tmp_path, monkeypatch):
    def wrong(model, eager=to_onnx._eager):
        copied = eager(model)
        copied.decoder.block[0].layer[1].EncDecAttention.v.weight.data *= 1.01
        return copied

    monkeypatch.setattr(to_onnx, "_eager", wrong)
    done = run(saved, tmp_path / "out")
    assert done.exit_code == 1
    assert "differs from the pruned one" in " ".join(done.stderr.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("axis", [pytest.param("input_ids", marks=pytest.mark.full), "past"])
def test_a_graph_that_takes_a_length_for_fixed_is_found(case, exported, tmp_path, monkeypatch, axis):
    """The exporter finds one that contradicts the other inputs' lengths; the comparison finds all."""
    one, (small, _) = case("bart"), exported(case("bart"))
    monkeypatch.setattr(to_onnx, "AXES", {**to_onnx.AXES, axis: {0: "batch"}})
    with pytest.raises(prunekit.PrunekitError, match=r"cannot be traced for ONNX|ONNX Runtime cannot run"):
        export_model(small, one.adapter, one.graph, tmp_path, ExportFormat.ONNX)


class Accented(Bart):
    """A BART whose encoder is told of every text's first token."""

    def attention_hints(self, config, batch):
        mask = batch["attention_mask"]
        return {"accent": torch.zeros_like(mask).scatter(1, mask.argmax(dim=1, keepdim=True), 1)}


@pytest.mark.full
def test_what_an_architecture_wants_beside_a_text_is_made_in_the_graph(case, tmp_path):
    one = case("bart")
    small, graph = copy.deepcopy(one.model), one.graph
    encoder = small.get_encoder()
    encoder.forward = partial(_accented, type(encoder).forward.__get__(encoder))
    to_onnx.export_onnx(small, Accented(), graph, tmp_path)
    hints = partial(Accented().attention_hints, small.config)
    assert onnx_parity.check_onnx(small, tmp_path, exact=True, hints=hints).equal == 16
    with pytest.raises(prunekit.PrunekitError, match="differs from the pruned one"):
        onnx_parity.check_onnx(one.model, tmp_path, exact=True)


def _accented(stock, input_ids, attention_mask, accent, **options):
    """The stock encoder, with the states of accented tokens turned round."""
    found = stock(input_ids=input_ids, attention_mask=attention_mask, **options)
    found["last_hidden_state"] = found["last_hidden_state"] * (1 - 2 * accent[..., None])
    return found


def test_windows_that_depend_on_the_length_are_refused(tmp_path):
    """LED cuts a text into windows, which the exporter cannot follow."""
    windows = {
        "attention_window": [4] * 3,
        "max_encoder_position_embeddings": 40,
        "max_decoder_position_embeddings": 40,
    }
    sizes = {key: value for key, value in BART_SIZES.items() if key != "max_position_embeddings"}
    specimen = ModelUnderTest.tiny(Led(), transformers.LEDConfig(**sizes, **windows, vocab_size=60), torch.float32)
    with pytest.raises(prunekit.PrunekitError, match="LEDForConditionalGeneration cannot be traced for ONNX"):
        to_onnx.export_onnx(specimen.model, specimen.adapter, specimen.graph, tmp_path)


@pytest.mark.full
def test_a_model_that_attends_otherwise_when_a_text_is_long_is_refused(tmp_path):
    from prunekit_adapters.bigbird_pegasus import BigBirdPegasus

    config = transformers.BigBirdPegasusConfig(
        **{**BART_SIZES, "max_position_embeddings": 200}, vocab_size=60, block_size=4, num_random_blocks=2
    )
    specimen = ModelUnderTest.tiny(BigBirdPegasus(), config, torch.float32)
    to_onnx.export_onnx(specimen.model, specimen.adapter, specimen.graph, tmp_path)
    with pytest.raises(prunekit.PrunekitError, match="differs from the pruned one"):
        onnx_parity.check_onnx(specimen.model, tmp_path, exact=True)


def test_what_cannot_be_exported_is_one_sentence(saved, tmp_path, monkeypatch):
    done = run(saved, tmp_path / "out", "--quantization", "int9")
    assert (done.exit_code, "has no quantization 'int9'" in " ".join(done.stderr.split())) == (1, True)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    done = run(saved, tmp_path / "out")
    assert (done.exit_code, "install 'prunekit[onnx]'" in " ".join(done.stderr.split())) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_reads_sound_is_refused(tmp_path):
    from prunekit_adapters.whisper import Whisper

    config = transformers.WhisperConfig(
        d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2
    )
    model = Whisper().build(config)
    with pytest.raises(prunekit.PrunekitError, match="reads input_features"):
        to_onnx.export_onnx(model, Whisper(), prunekit.discover(Whisper(), config), tmp_path)


def test_a_model_that_cannot_be_traced_is_refused(tmp_path):
    from prunekit_adapters.prophetnet import ProphetNet

    sizes = {"num_encoder_layers": 1, "num_decoder_layers": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    config = transformers.ProphetNetConfig(hidden_size=16, num_encoder_attention_heads=2, vocab_size=60, **sizes)
    model = ProphetNet().build(config, "cpu")
    with pytest.raises(prunekit.PrunekitError, match="cannot be traced for ONNX"):
        to_onnx.export_onnx(model, ProphetNet(), prunekit.discover(ProphetNet(), config), tmp_path)
