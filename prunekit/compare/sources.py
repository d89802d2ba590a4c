"""What a run starts from, by its hash: the dense model's weights, the task's data, a given plan."""

import hashlib
from functools import cache
from pathlib import Path

from prunekit._support.frozen import FrozenModel
from prunekit.loading.task import model_of
from prunekit.recipe import Recipe


class Sources(FrozenModel):
    """What a run starts from, each by its SHA-256; None for what is not available, or was not noted.

    `weights` are the dense model's, `data` the files of its task, `given` the plan that it is cut to without asking a
    strategy.
    """

    weights: str | None = None
    data: str | None = None
    given: str | None = None

    @classmethod
    def of(cls, recipe: Recipe, plan: str | None) -> "Sources":
        """Those of a recipe and of the plan that it is given, as the text of a `plan.json`."""
        digest = None if plan is None else hashlib.sha256(plan.encode()).hexdigest()
        return cls(weights=weights_hash(recipe), data=data_hash(recipe), given=digest)

    def agrees(self, other: "Sources") -> bool:
        """Whether nothing that both know differs."""
        pairs = ((self.weights, other.weights), (self.data, other.data), (self.given, other.given))
        return all(None in pair or pair[0] == pair[1] for pair in pairs)


def weights_hash(recipe: Recipe) -> str | None:
    """Of the dense model of a run: the recipe's, or the one that its task brings."""
    return files_hash(model_of(recipe))


def data_hash(recipe: Recipe) -> str | None:
    """Of the files that the recipe's task names; None where none of them is available."""
    named = (recipe.task.train, recipe.task.eval, recipe.task.test)
    return files_hash(*(path for path in named if path is not None and Path(path).is_file()))


@cache
def files_hash(*paths: str) -> str | None:
    """SHA-256 of files, and of the weights in the directories of models; None where there are none."""
    inside = [sorted(Path(path).glob("*.safetensors")) if Path(path).is_dir() else [Path(path)] for path in paths]
    files = [path for part in inside for path in part if path.is_file()]
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest() if files else None
