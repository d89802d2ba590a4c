"""Pages from templates that lie in a package."""

import jinja2
import pytest

from prunekit._support.templates import render


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with two templates, one of which imports the other."""
    folder = tmp_path / "pages_of_a_test"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "parts.j2").write_text("{% macro bold(text) %}<b>{{ text }}</b>{% endmacro %}")
    (folder / "page.j2").write_text("{% from 'parts.j2' import bold %}\n{{ bold(name | shout) }} {{ count }}\n")
    monkeypatch.syspath_prepend(tmp_path)
    return folder.name


def shout(text):
    return f"{text.upper()}!"


def test_values_and_filters_are_filled_in_and_escaped(package):
    assert render(package, "page.j2", {"name": "<a&b>", "count": 3}, [shout]) == "<b>&lt;A&amp;B&gt;!</b> 3"


def test_an_undefined_value_is_an_error(package):
    with pytest.raises(jinja2.UndefinedError, match="'count' is undefined"):
        render(package, "page.j2", {"name": "a"}, [shout])
