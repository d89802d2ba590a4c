"""Self-contained HTML pages, rendered from the templates of a package."""

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

import jinja2


def render(package: str, template: str, values: Mapping[str, Any], filters: Sequence[Callable[..., str]] = ()) -> str:
    """A template of a package with `values` filled in; it may import other templates of the same package.

    All text is escaped, and an undefined value is an error. `filters` are called in templates by their own names.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (files(package) / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {each.__name__: each for each in filters}
    return environment.get_template(template).render(values)
