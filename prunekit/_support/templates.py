"""Self-contained HTML pages, rendered from the templates of a package."""

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

import jinja2


def render(package: str, template: str, values: Mapping[str, Any], filters: Sequence[Callable[..., str]] = ()) -> str:
    """Fill in a template of `package`; all text is escaped, and an undefined value is an error.

    A template may import or include others: by name from its own package, as ``package:name`` from another.
    `filters` are called by their own names.
    """

    def source(name: str) -> str:
        owner, _, file = name.rpartition(":")
        return (files(owner or package) / file).read_text(encoding="utf-8")

    pages = jinja2.Environment(
        loader=jinja2.FunctionLoader(source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {one.__name__: one for one in filters}
    return pages.get_template(template).render(values)
