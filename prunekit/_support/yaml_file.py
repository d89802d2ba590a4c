"""Reads what a user wrote in YAML: a recipe, a comparison."""

from pathlib import Path
from typing import Any

import yaml

from prunekit.errors import PrunekitError, one_line


def read_yaml(path: Path | str) -> dict[str, Any]:
    """A recipe's keys and values as they stand in a YAML file, or one sentence on why there are none."""
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise PrunekitError(f"The recipe {str(path)!r} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PrunekitError(f"The recipe {str(path)!r} is not valid YAML: {one_line(error)}.") from error
    if not isinstance(data, dict):
        raise PrunekitError(f"The recipe {str(path)!r} is not a YAML mapping of keys to values; see examples/.")
    return data
