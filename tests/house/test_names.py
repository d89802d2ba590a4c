"""What things are called: one name for one thing, and the words of the field."""

import ast
import re
from collections import defaultdict

FORBIDDEN = {
    "run state, run context, run directory": "line lines subject subjects workplace workplaces place places",
    "loss, cache": "lesson lessons memory memories",
    "evaluation, metric, score": "verdict verdicts judge judges judged",
    "budget, cost, callback": "surroundings ledger ledgers pace paces price prices bookkeeper mark marks",
    "processor, encoded dataset, audio, image": "reader readers rows sound sounds picture pictures",
    "prune to a size, selection": "meet meets beside choose chosen",
    "module override": "quirk quirks",
    "interleave, trimmed mean, breakdown, trial, record": "turn turns middle split splits cell cells told",
    "kept, removed, dropped": "stay stays go goes went gone left",
}
"""Words that the house does without, by those that it says instead (docs/architecture.md has the table)."""

REASONS = {
    "prunekit.compare.tables.table_cells": "the cells of a table",
    "prunekit.data.row_files.read_rows": "rows of a file, before they are encoded",
    "prunekit.errors.error_line": "a line of text",
    "prunekit.errors.one_line": "a line of text",
    "prunekit.latency.clocks.Reading.pace": "how fast the machine is from one moment to the next",
    "prunekit.latency.clocks.pace_factors": "how fast the machine is from one moment to the next",
    "prunekit.report.charts.MapCell": "a cell of a heat map",
}
"""Names that may hold a forbidden word, each with the reason why it means something else there."""


def parts(name):
    """``row``, ``files`` for ``row_files`` and ``RowFiles`` alike."""
    return [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def commands(engine):
    """The functions that `cli` registers as commands, by file: they are called as their command is."""
    cli = next(source for source in engine if source.module == "prunekit.cli")
    registered = {
        node.args[0].id
        for node in ast.walk(cli.tree)
        if isinstance(node, ast.Call)
        and node.args
        and isinstance(node.args[0], ast.Name)
        and isinstance(node.func, ast.Call)
        and ast.unparse(node.func.func) == "app.command"
    }
    return {(module, name) for module, name in cli.imports() if name in registered}


def twice(sources, apart=frozenset()):
    """Public classes and functions that several modules define, with these modules."""
    found = defaultdict(list)
    for source in sources:
        for node in source.public():
            if (source.module, node.name) not in apart:
                found[node.name].append(source.module)
    return {name: modules for name, modules in found.items() if len(modules) > 1}


def test_no_two_things_have_one_name(engine):
    assert twice(engine, commands(engine)) == {}


def test_a_name_that_comes_twice_is_seen(source):
    files = [
        source("prunekit/find/graph.py", "class Graph: ...\ndef load(): ...\ndef _draw(): ...\n"),
        source("prunekit/cut/drawing.py", "class Graph: ...\ndef load(): ...\ndef _draw(): ...\n"),
    ]
    assert set(twice(files, {("prunekit.cut.drawing", "load")})) == {"Graph"}


def test_commands_are_told_from_other_functions(engine):
    names = {name for _, name in commands(engine)}
    assert {"run", "compare", "inspect", "list_plugins"} <= names
    assert ("prunekit.commands.run", "run") in commands(engine)


def names_of(source):
    """The module, its classes, and its public functions and methods, as ``module`` or ``module.name``."""
    yield source.module.rpartition(".")[2], source.module
    for node in source.tree.body:
        yield from ((node.name, f"{source.module}.{node.name}") for node in [node] if _counts(node))
        if isinstance(node, ast.ClassDef):
            yield from ((each.name, f"{source.module}.{node.name}.{each.name}") for each in node.body if _counts(each))


def _counts(node):
    return isinstance(node, ast.ClassDef) or (isinstance(node, ast.FunctionDef) and not node.name.startswith("_"))


def forbidden(sources):
    """Names with a word that the house does without, and what it says instead."""
    instead = {word: say for say, words in FORBIDDEN.items() for word in words.split()}
    return {
        where: f"{word}: say {instead[word]}"
        for source in sources
        for name, where in names_of(source)
        for word in parts(name)
        if word in instead
    }


def test_names_are_words_of_the_field(engine, plugin_files):
    found = forbidden([*engine, *plugin_files])
    assert {name: why for name, why in found.items() if name not in REASONS} == {}
    assert set(REASONS) - set(found) == set(), "a reason for a name that is not there any more"


def test_a_word_of_our_own_is_seen(source):
    text = "class EncoderMemory:\n    def choose(self): ...\n    def _left(self): ...\ndef timeline(): ...\n"
    assert forbidden([source("prunekit/find/workplace.py", text)]) == {
        "prunekit.find.workplace": "workplace: say run state, run context, run directory",
        "prunekit.find.workplace.EncoderMemory": "memory: say loss, cache",
        "prunekit.find.workplace.EncoderMemory.choose": "choose: say prune to a size, selection",
    }
    assert parts("HTMLPage_of2ndRow") == ["html", "page", "of", "nd", "row"]
