"""Entry points of distributions that lie in a directory of their own."""

import importlib

import pytest

from prunekit._support.entry_points import (
    distribution_of,
    entries_by_name,
    error_location,
    file_of,
    missing_package,
    module_of,
)

GROUP = "prunekit.adapters"


def entry_of(name):
    (entry,) = entries_by_name(GROUP)[name]
    return entry


def test_entries_know_their_distribution_module_and_file_without_an_import(install):
    module = install("mine", "raise RuntimeError('imported')")
    entry = entry_of("mine")
    assert (distribution_of(entry), module_of(entry), file_of(entry)) == ("outsider", module, f"{module}.py")


def test_a_name_that_two_distributions_offer_has_two_entries(install):
    install("twice", "")
    install("twice", "", distribution="neighbour")
    assert sorted(map(distribution_of, entries_by_name(GROUP)["twice"])) == ["neighbour", "outsider"]


@pytest.mark.parametrize("value", ["nowhere_at_all", "json.nowhere", "not a module"])
def test_a_module_that_is_not_there_is_named_by_its_line_of_metadata(install, value):
    install("lost", "", value=value)
    assert file_of(entry_of("lost")) == f"entry_points.txt: lost = {value}"
    assert module_of(entry_of("lost")) == ("" if " " in value else value)


@pytest.mark.parametrize(
    ("source", "line", "package"),
    [
        ("\n\nimport nowhere_to_be_found.deep", 3, "nowhere_to_be_found"),
        ("import json.nowhere", 1, None),
        ("x = (\n", 1, None),
        ("def f():\n    return 1 / 0\nf()", 2, None),
        ("import json\njson.loads('{')", 2, None),
    ],
)
def test_an_error_is_located_in_the_plugins_own_lines(install, source, line, package):
    module = install("bad", source)
    with pytest.raises(Exception) as caught:  # noqa: PT011
        importlib.import_module(module)
    assert error_location(entry_of("bad"), caught.value) == f"{module}.py, line {line}"
    assert missing_package(entry_of("bad"), caught.value) == package
