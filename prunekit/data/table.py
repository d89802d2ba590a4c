"""The table of a task's rows: its columns, and how task plugins make one."""

from collections.abc import Mapping, Sequence

from datasets import Dataset, Features, List, Value

TEXT = Features({"source": Value("string"), "target": Value("string"), "references": List(Value("string"))})
"""The columns of every table."""

MORE = Features(
    {
        "source_language": Value("string"),
        "target_language": Value("string"),
        "speech_task": Value("string"),
        "recording": Value("large_binary"),
        "number": Value("int64"),
    }
)
"""The columns that a table may have beside `TEXT`.

Languages and the task of single rows, recordings as bytes, and the number of a row in its file, from 1.
"""


def task_table(
    sources: Sequence[str],
    targets: Sequence[str],
    references: Sequence[Sequence[str]] | None = None,
    more: Mapping[str, Sequence[object]] | None = None,
) -> Dataset:
    """The rows of a task as an in-memory table with the columns `TEXT`, for task plugins too.

    `targets` are what the model learns to answer, `references` every answer that counts as right, the targets alone
    where left out; `more` are columns of `MORE`, such as every row's ``target_language``. A row without a label has
    an empty target and no references. Example: ``task_table(["read"], ["R EH D"], [["R EH D", "R IY D"]])``.
    """
    every = [[target] for target in targets] if references is None else references
    others = dict(more or {})
    columns = {"source": sources, "target": targets, "references": every, **others}
    return Dataset.from_dict(columns, features=Features({**TEXT, **{name: MORE[name] for name in others}}))


def are_labelled(table: Dataset) -> list[bool]:
    """Whether each row of a task has a label: any answer that counts as right."""
    return [bool(texts) for texts in table["references"][:]]


def labelled(table: Dataset) -> Dataset:
    """The rows of a task that have a label; the table itself where all have."""
    flags = are_labelled(table)
    return table if all(flags) else table.select([number for number, has in enumerate(flags) if has])


def with_targets(table: Dataset, texts: Sequence[str]) -> Dataset:
    """The rows of a task with other targets, a text each, which alone count as right."""
    others = table.remove_columns(["target", "references"])
    taught = others.add_column("target", list(texts), feature=TEXT["target"])
    taught = taught.add_column("references", [[text] for text in texts], feature=TEXT["references"])
    return taught.select_columns(table.column_names)
