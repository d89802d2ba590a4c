"""The heatmap of speeds: darker is faster, and letters stay readable."""

import re

from prunekit.find.plan import PruningPlan
from prunekit.latency.shapes import Shape
from prunekit.recipe import Workload
from prunekit.report.heatmap import shade, write_heatmap


def light(colour):
    return sum(map(int, re.findall(r"\d+", colour)))


def test_colours_darken_evenly_and_letters_turn_light_on_dark():
    shades = [shade(share / 10) for share in range(11)]
    colours = [light(colour) for colour, _ in shades]
    assert colours == sorted(colours, reverse=True)
    assert (shades[0][1], shades[-1][1]) == ("#111", "#fff")
    assert shade(-1.0) == shade(0.0)
    assert shade(7.0) == shade(1.0)


def test_the_page_has_a_cell_for_every_shape(tmp_path):
    rows = [
        [
            Shape(layers, sparsity, PruningPlan(), 4.0 / layers + sparsity, 100, {"encoder": 0.01})
            for sparsity in (0.0, 0.5)
        ]
        for layers in (2, 1)
    ]
    write_heatmap(rows, Workload(source=9), 0.012, tmp_path / "map.html")
    page = (tmp_path / "map.html").read_text()
    assert re.findall(r">(\d\.\d\d)x</td>", page) == ["2.00", "2.50", "4.00", "4.50"]
    assert "source=9" in page
    assert "1.2%" in page
    cells = [light(colour) for colour in re.findall(r"background: (rgb\([^)]*\))", page)]
    assert cells == sorted(cells, reverse=True)
