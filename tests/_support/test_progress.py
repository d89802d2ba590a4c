"""Progress of a stage, and nothing to call where nobody listens."""

from prunekit._support.progress import counting


def test_one_stage_reports_its_name_with_every_step():
    heard = []
    stage = counting(lambda *call: heard.append(call), "speed")
    assert stage is not None
    stage(3, 8)
    assert heard == [("speed", 3, 8, {})]


def test_where_nobody_listens_there_is_nothing_to_call():
    assert counting(None, "speed") is None
