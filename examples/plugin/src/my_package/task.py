"""Numbers to Roman numerals: rows that are computed, not read."""

from collections.abc import Iterable

from datasets import Dataset
from prunekit import Task, TaskPlugin, TaskSection, hookimpl, task_table

from my_package.numerals import numeral


class Roman(TaskPlugin):
    """Numbers below 4,000 to Roman numerals: "1994" -> "MCMXCIV"."""

    name = "roman"
    metrics = ("exact_match", "numeral_distance")
    defaults = {"task": {"source_length": 16, "target_length": 24}, "training": {"batch": 64, "learning_rate": 1e-3}}

    def open(self, section: TaskSection) -> Task:
        rest = [number for number in range(1, 4000) if number % 5]
        dev = range(5, 4000, 10)
        test = range(10, 4000, 10)
        return Task(self.name, table(rest), table(dev), table(test), section)


def table(numbers: Iterable[int]) -> Dataset:
    """Numbers with their numerals."""
    values = list(numbers)
    return task_table([str(value) for value in values], [numeral(value) for value in values])


@hookimpl
def prunekit_task() -> type[TaskPlugin]:
    return Roman
