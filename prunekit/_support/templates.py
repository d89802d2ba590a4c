"""Pages that need nothing but themselves, from templates that lie in the package."""

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

import jinja2


def render(package: str, template: str, values: Mapping[str, Any], styles: Sequence[Callable[..., str]] = ()) -> str:
    """A template filled in, and whatever it imports from its package; all text is escaped.

    `styles` are filters by their own names. An undefined value is an error.
    """
    pages = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (files(package) / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {style.__name__: style for style in styles}
    return pages.get_template(template).render(values)
