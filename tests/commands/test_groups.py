"""Numbers in words."""

from hypothesis import given
from hypothesis import strategies as st

from prunekit.commands.groups import number_ranges


@given(st.sets(st.integers(0, 30)))
def test_spans_name_every_number_once(numbers):
    named = []
    for part in filter(None, number_ranges(sorted(numbers)).split(", ")):
        first, _, last = part.partition("-")
        named += range(int(first), int(last or first) + 1)
    assert named == sorted(numbers)
