"""Sections: what a user writes is checked once, and refused by the name of the key."""

import pytest
from pydantic import ValidationError

from prunekit._support.section import Section
from prunekit.errors import PrunekitError


class Oven(Section):
    degrees: int = 180


def test_what_is_left_out_has_its_default_and_nothing_changes_later():
    oven = Oven.parse({})
    assert oven.degrees == 180
    with pytest.raises(ValidationError):
        oven.degrees = 200


@pytest.mark.parametrize(
    ("data", "sentence"), [({"degree": 1}, "degree.*did you mean"), ({"degrees": "hot"}, "degrees"), ([], "mapping")]
)
def test_a_wrong_key_or_value_is_refused_by_name(data, sentence):
    with pytest.raises(PrunekitError, match=sentence):
        Oven.parse(data)
