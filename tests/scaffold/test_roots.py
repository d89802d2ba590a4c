"""Roots as traced: attentions by their queries, feed-forward layers by their first matrix, and what is coupled."""

from prunekit.find.groups import Kind, Role
from prunekit.scaffold.roots import Attention, Found


def test_a_bart_has_three_roots_in_its_decoder(drafted):
    encoder, decoder = drafted("bart").found
    assert [each.module for each in encoder.attentions] == ["self_attn.q_proj"]
    assert [(each.module, each.cross, each.count) for each in decoder.attentions] == [
        ("self_attn.q_proj", False, "num_heads"),
        ("encoder_attn.q_proj", True, "num_heads"),
    ]
    assert encoder.channels == decoder.channels == "fc1"
    assert drafted("bart").missing == ()


def test_what_couples_all_layers_is_named(drafted):
    missing = " ".join(drafted("t5").missing)
    assert 'with its relative_attention_bias; declare `cuts = ("relative_attention_bias",)`' in missing
    assert "T5" not in missing


def test_without_a_trace_attentions_are_known_by_their_names(drafted):
    """Whisper's inputs are no tokens, so that nothing was traced."""
    _, decoder = drafted("whisper").found
    assert [(each.path, each.cross) for each in decoder.attentions] == [("self_attn", False), ("encoder_attn", True)]
    assert decoder.channels == "fc1"
    assert "were found by their names" in drafted("whisper").missing[0]


def test_roots_are_declared_with_what_was_found():
    own = Attention("attn", "query", "n_head", "size", cross=False, results=3)
    root, matrix = Found((own,), "mlp.w1").roots(sized=True)
    assert (root.module, root.count, root.width, root.results) == ("attn.query", "n_head", "size", 3)
    assert (matrix.module, matrix.kind, matrix.role) == ("mlp.w1", Kind.FFN, Role.FFN)
    assert Found((own,), None).roots()[0].width == ""
    assert len(Found((own,), None).roots()) == 1
