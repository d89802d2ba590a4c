"""The table: one row a model, the dense one first, in figures that people read."""

from prunekit.front.figures import Selection
from prunekit.front.tables import clock_name, front_columns, front_values


def test_every_model_has_a_row_and_every_column_a_value(found):
    names = front_columns(found)
    table = list(front_values(found))
    assert names[:5] == ["model", "exact_match, dev", "kept", "test", "kept"]
    assert names[5:] == ["speed, batch 1", "speed, batch 32", "parameters", "CPU-seconds"]
    assert [row[0] for row in table] == ["dense", "decoder-6", "decoder-3", "decoder-1 (encoder -10%)"]
    assert {len(row) for row in table} == {len(names)}
    assert table[2][1:] == ["65.99%", "98.2%", "65.59%", "97.9%", "2.64x ± 0.04", "2.90x", "1,580,000", "190"]


def test_the_model_to_take_is_named_only_if_it_will_do(found):
    def labels(met):
        selection = Selection(model="decoder-3", met=met, keep=0.98)
        return [row[0] for row in front_values(found.model_copy(update={"selection": selection}))]

    assert labels(True)[2] == "decoder-3 (take this)"
    assert labels(False)[2] == "decoder-3"


def test_amounts_and_other_devices(found):
    cost = found.models[0].cost.model_copy(update={"device": "cuda"})
    first = found.models[0].model_copy(update={"cost": cost})
    other = found.model_copy(update={"amount": True, "models": [first], "confirmed": False})
    assert clock_name(other) == "GPU"
    assert "again" in front_columns(other)
    assert next(iter(front_values(other)))[1] == "0.67"
