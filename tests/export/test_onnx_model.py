"""Models that were exported to ONNX, opened again: their parts, their cache, and what they refuse."""

import pytest
import torch

import prunekit
from prunekit.export import to_onnx

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

IDS = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])


@pytest.fixture(scope="module")
def target(case, tmp_path_factory):
    """The directory of a dense T5's export."""
    place = tmp_path_factory.mktemp("t5")
    to_onnx.export_onnx(case("t5").model, case("t5").adapter, case("t5").graph, place)
    return place


def test_a_cache_holds_the_past_of_every_layer(target, case):
    model = prunekit.from_onnx(target, threads=1)
    first = model(input_ids=IDS, decoder_input_ids=IDS[:, :2])
    layers = first.past_key_values.self_attention_cache.layers
    assert [tuple(layer.keys.shape) for layer in layers] == [(2, 4, 2, 6)] * 4
    second = model(input_ids=IDS, decoder_input_ids=IDS[:, 2:], past_key_values=first.past_key_values)
    with torch.no_grad():
        expected = case("t5").model(input_ids=IDS, decoder_input_ids=IDS, use_cache=False).logits
    torch.testing.assert_close(torch.cat([first.logits, second.logits], dim=1), expected, atol=1e-4, rtol=1e-4)
    assert (model.device.type, model.dtype) == ("cpu", torch.float32)


@pytest.mark.parametrize("name", ["config.json", "decoder.onnx"])
def test_a_directory_that_lacks_a_file_or_holds_a_broken_one(target, tmp_path, name):
    for path in target.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).unlink()
    with pytest.raises(prunekit.PrunekitError, match=f"it has no {name}"):
        prunekit.from_onnx(tmp_path)
    (tmp_path / name).write_bytes((target / name).read_bytes())
    graph = tmp_path / "encoder.onnx"
    graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])
    with pytest.raises(prunekit.PrunekitError, match="cannot open"):
        prunekit.from_onnx(tmp_path)


@pytest.mark.parametrize("given", [{"cache_implementation": "static"}, {"decoder_attention_mask": torch.ones(2, 1)}])
def test_what_the_graphs_do_not_take_is_refused(target, given):
    model = prunekit.from_onnx(target, threads=1)
    with pytest.raises(prunekit.PrunekitError, match="leave cache_implementation"):
        model.generate(input_ids=IDS, **given, max_new_tokens=3)
    with pytest.raises(prunekit.PrunekitError, match="copy its directory"):
        model.save_pretrained(target)
