"""A draft on disk: the adapter's file and its test's, and the draft checked on a tiny model."""

import types
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from prunekit._support.atomic import write_text
from prunekit.conformance import CHECKS, ModelUnderTest, failures
from prunekit.conformance.examine import Finding, examine
from prunekit.errors import PrunekitError
from prunekit.find.adapter import Adapter
from prunekit.scaffold.draft import Draft
from prunekit.scaffold.sizes import ModelKind
from prunekit.scaffold.source import adapter_source, suite_source

NEEDED = ("trace", "heads")
"""Checks that show whether heads are declared as they should be."""

WIDE = (
    "heads cannot be cut as they are declared; where an attention is as wide as its input whatever its heads, "
    "leave them `whole`, as prunekit_adapters/fsmt.py does."
)


@dataclass(frozen=True)
class DraftFiles:
    """The files of a draft. Example: ``src/my_package/bart.py`` and ``src/my_package/test_bart.py``."""

    adapter: Path
    suite: Path

    @property
    def module(self) -> str:
        """The adapter's module as others import it: ``my_package.bart``, packages being directories that say so."""
        parts = [self.adapter.stem]
        directory = self.adapter.resolve().parent
        while (directory / "__init__.py").exists():
            parts.insert(0, directory.name)
            directory = directory.parent
        return ".".join(parts)

    def write(self, draft: Draft) -> None:
        """Write both."""
        write_text(self.adapter, adapter_source(draft))
        write_text(self.suite, suite_source(draft, self.module))


def files_for(kind: ModelKind, directory: Path) -> DraftFiles:
    """The files of a draft; raises `PrunekitError` where one of them exists, or `directory` is none."""
    if directory.exists() and not directory.is_dir():
        raise PrunekitError(f"The output {str(directory)!r} is a file; name a directory.")
    stem = kind.model_type.replace("-", "_")
    files = DraftFiles(directory / f"{stem}.py", directory / f"test_{stem}.py")
    for path in (files.adapter, files.suite):
        if path.exists():
            raise PrunekitError(
                f"There is a file {str(path)!r} already, which a draft must not overwrite; "
                "move it away, or name another directory with --output."
            )
    return files


def adapter_of(draft: Draft) -> type[Adapter]:
    """The class that a draft's source defines."""
    module = types.ModuleType(draft.kind.model_type)
    exec(compile(adapter_source(draft), f"<{draft.kind.model_type}>", "exec"), module.__dict__)
    adapter: type[Adapter] = module.__dict__[draft.name]
    return adapter


def resolve_by_trial(draft: Draft) -> Draft:
    """The draft with what only a trial shows: the precision that the model needs, and widths that attentions read."""
    draft = replace(draft, single=not _runs(draft, torch.float64) and _runs(draft, torch.float32))
    if _failing(draft) != {"heads"}:
        return draft
    if any(attention.width for found in draft.found for attention in found.attentions):
        sized = replace(draft, sized=True)
        if not _failing(sized):
            return sized
    return replace(draft, missing=(*draft.missing, WIDE))


def _runs(draft: Draft, dtype: torch.dtype) -> bool:
    """Whether a tiny model gives finite logits in a precision."""
    specimen = _specimen(replace(draft, single=dtype is torch.float32))
    try:
        return bool(specimen.logits(specimen.model).isfinite().all())
    except Exception:  # whatever a model raises at a precision that it was not made for
        return False


def _failing(draft: Draft) -> set[str]:
    """The checks that fail, of the two that say whether heads may be cut."""
    return {check.id for check, _ in failures(_specimen(draft), [each for each in CHECKS if each.id in NEEDED])}


def examined(draft: Draft, progress: Callable[[int, int], None] | None = None) -> list[Finding]:
    """The outcome of every check of the adapters' suite for the draft."""
    return examine(_specimen(draft), progress=progress)


def _specimen(draft: Draft) -> ModelUnderTest:
    """A tiny model as the draft's own suite has it."""
    dtype = torch.float32 if draft.single else torch.float64
    return ModelUnderTest.tiny(adapter_of(draft)(), draft.kind.config_class(**draft.kind.tiny()), dtype)
