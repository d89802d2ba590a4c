"""The task, opened and looked at."""

from prunekit.testing import TaskSuite

from my_package.task import Roman


class TestRoman(TaskSuite):
    task = Roman
