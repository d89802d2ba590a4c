"""Data that crosses rooms: models that hold exactly their fields and never change."""

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """Facts by name, for a file and for other rooms: unknown fields are refused, values never change.

    A field with an alias is read by either name and written by its alias.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, serialize_by_alias=True)
