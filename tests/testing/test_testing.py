"""The kits for plugin authors: everything that they export is there and documented."""

from prunekit import testing


def test_every_name_is_there_and_documented():
    assert len(set(testing.__all__)) == len(testing.__all__)
    assert {"AdapterSuite", "StrategySuite", "TaskSuite", "MetricSuite"} <= set(testing.__all__)
    assert [name for name in testing.__all__ if not getattr(testing, name).__doc__] == []


def test_every_suites_checks_have_a_sentence():
    suites = (testing.AdapterSuite, testing.StrategySuite, testing.TaskSuite, testing.MetricSuite)
    checks = [getattr(suite, name) for suite in suites for name in vars(suite) if name.startswith("test_")]
    assert len(checks) > 30
    assert [check for check in checks if not check.__doc__] == []
