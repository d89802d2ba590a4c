"""The model beside the recipe: what the script builds, and able to tell which verse is the translation of which."""

import math

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

HELD_OUT = {
    "In the days when the judges judged, there was a famine in the land. A certain man of Bethlehem Judah went to live "
    "in the country of Moab with his wife and his two sons.": "Y aconteció en los días que gobernaban los jueces, que "
    "hubo hambre en la tierra. Y un varón de Beth-lehem de Judá, fué á peregrinar en los campos de Moab, él y su "
    "mujer, y dos hijos suyos.",
    "The name of the man was Elimelech, and the name of his wife Naomi.": "El nombre de aquel varón era Elimelech, y "
    "el de su mujer Noemi.",
}
"""Verses of Ruth, which none of the books trained on has."""


@pytest.fixture(scope="module")
def place(examples):
    return examples / "verses" / "model"


def test_it_has_the_shapes_that_the_script_builds(place, load):
    script = load("verses/train_dense.py")
    model = AutoModelForSeq2SeqLM.from_pretrained(place)
    built = script.build_model(model.config.vocab_size, script.DEEP)
    assert {n: p.shape for n, p in model.named_parameters()} == {n: p.shape for n, p in built.named_parameters()}
    assert {p.dtype for n, p in model.named_parameters() if ".wo." not in n} == {torch.float16}  # T5 widens wo


def test_it_knows_a_verse_it_never_saw_by_its_source(place):
    tokenizer = AutoTokenizer.from_pretrained(place)
    model = AutoModelForSeq2SeqLM.from_pretrained(place, dtype=torch.float32).eval()

    def loss(source, target):
        given, labels = (tokenizer(text, return_tensors="pt") for text in (source, target))
        with torch.no_grad():
            return model(**given, labels=labels["input_ids"]).loss.item()

    for (source, target), other in zip(HELD_OUT.items(), reversed(HELD_OUT), strict=True):
        assert loss(source, target) < loss(other, target) - 0.5
        assert loss(source, target) < math.log(len(tokenizer)) / 2
