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
    }
)
"""The columns that a table may have beside `TEXT`: languages and the task of single rows, and recordings as bytes."""


def task_table(
    sources: Sequence[str],
    targets: Sequence[str],
    references: Sequence[Sequence[str]] | None = None,
    more: Mapping[str, Sequence[object]] | None = None,
) -> Dataset:
    """The rows of a task as an in-memory table with the columns `TEXT`, for task plugins too.

    `targets` are what the model learns to answer, `references` every answer that counts as right, the targets alone
    where left out; `more` are columns of `MORE`, such as every row's ``target_language``. Example:
    ``task_table(["read"], ["R EH D"], [["R EH D", "R IY D"]])``.
    """
    every = [[target] for target in targets] if references is None else references
    others = dict(more or {})
    columns = {"source": sources, "target": targets, "references": every, **others}
    return Dataset.from_dict(columns, features=Features({**TEXT, **{name: MORE[name] for name in others}}))
