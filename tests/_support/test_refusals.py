"""One sentence for what pydantic refused."""

from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from prunekit._support.refusals import first_problem


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: PositiveInt = 1
    kind: Literal["a", "b"] = "a"


class Whole(BaseModel):
    model_config = ConfigDict(extra="forbid")

    parts: tuple[Part, ...] = ()
    only: Part | None = None


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"parst": []}, "There is no key 'parst' here; did you mean 'parts'?"),
        ({"zzz": 1}, "There is no key 'zzz' here; allowed are parts, only."),
        ({"parts": [{}, {"sise": 1}]}, "There is no key 'parts.1.sise' here; did you mean 'size'?"),
        ({"only": {"size": 0}}, "only.size: Input should be greater than 0 (got 0)."),
        ({"only": {"kind": "c"}}, "only.kind: Input should be 'a' or 'b' (got 'c')."),
        (3, "Whole: Input should be a valid dictionary or instance of Whole (got 3)."),
    ],
)
def test_the_first_problem_is_one_sentence(data, sentence):
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate(data)
    assert first_problem(caught.value, Whole) == sentence
