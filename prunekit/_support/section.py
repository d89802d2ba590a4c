"""Sections: parts of what a user writes in YAML, checked once and never changed."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from prunekit._support.refusals import first_problem
from prunekit.errors import PrunekitError


class Section(BaseModel):
    """A part of a recipe: unknown keys are refused, values never change after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def parse(cls, data: Any) -> Self:
        """Validate parsed YAML; raises `PrunekitError` naming the first bad key."""
        if not isinstance(data, dict):
            raise PrunekitError("A recipe is a YAML mapping of keys to values; this one is not.")
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise PrunekitError(first_problem(error, cls)) from error
