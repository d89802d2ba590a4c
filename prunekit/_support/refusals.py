"""What pydantic refused, in one sentence."""

from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from prunekit._support.suggest import nearest


def first_problem(error: ValidationError, model: type[BaseModel]) -> str:
    """One sentence for the first thing pydantic refused, with the nearest allowed key where one was misspelt."""
    problem = error.errors()[0]
    misspelt = problem["type"] == "extra_forbidden"
    path, allowed = _path(model, problem["loc"], misspelt)
    if not misspelt:
        return f"{path or model.__name__}: {problem['msg']} (got {problem.get('input')!r})."
    meant = nearest(str(problem["loc"][-1]), allowed)
    end = f"did you mean {meant!r}?" if meant else f"allowed are {', '.join(allowed)}."
    return f"There is no key {path!r} here; {end}"


def _path(model: type[BaseModel], loc: tuple[int | str, ...], to_the_end: bool) -> tuple[str, list[str]]:
    """A pydantic location as a dotted path, without its marks for alternatives of a type, and the last model's keys."""
    path: list[str] = []
    for part in loc:
        if isinstance(part, int) and path:
            path.append(str(part))
        elif part in model.model_fields:
            path.append(str(part))
            model = _model_of(model.model_fields[part].annotation) or model
        elif to_the_end:
            path.append(str(part))
    return ".".join(path), list(model.model_fields)


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """The model that a field holds, by itself or many of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_of, get_args(annotation))), None)
