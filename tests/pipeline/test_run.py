"""A run, from recipe to report."""

import json

from prunekit.pipeline.run import run


def test_it_writes_what_the_contract_names(recipe, tmp_path):
    report = run(recipe(strategy="depth", options={"decoder_layers": 2}, recovery={"steps": 2}))
    written = {path.name for path in (tmp_path / "run").iterdir()}
    files = {"recipe.yaml", "plan.json", "report.json", "report.html", "predictions.jsonl", "log.jsonl", "model"}
    assert written == files
    data = json.loads((tmp_path / "run/report.json").read_text())
    assert data["parameters"]["pruned"] == report.parameters.pruned
    assert data["data"]["train"]["rows"] == 8
    assert set(data["answers"]) == {"dense", "pruned"}
