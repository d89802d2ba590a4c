"""A cut that proves itself: the cut model must compute what the masked one did."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from transformers import PreTrainedModel

from prunekit.cut.surgery import cut
from prunekit.errors import PrunekitError
from prunekit.find.adapter import Adapter
from prunekit.find.graph import DependencyGraph
from prunekit.find.plan import PruningPlan, groups_after
from prunekit.measure.equivalence import Equivalence, compare_with_cut


def cut_checked(
    model: PreTrainedModel,
    plan: PruningPlan,
    adapter: Adapter,
    graph: DependencyGraph,
    dense_config: Any,
    before: PruningPlan,
    batches: Sequence[dict[str, Any]],
) -> Equivalence:
    """Cut `model` in place to `before.then(plan)`, and prove on `batches` that it computes what the masked model did.

    Where tokens are removed, `batches` must hold none of them, and number the others as the model does before the cut.
    Raises `PrunekitError` where logits differ by more than rounding or are no numbers, or tokens flip; `model` is then
    of no use.
    """
    groups = groups_after(graph.groups, before)
    names = {group.name for group in groups}
    kept = PruningPlan({name: ids for name, ids in before.then(plan).kept.items() if name in names})
    surgery = partial(cut, model, plan, adapter, graph, dense_config, before)
    result = compare_with_cut(model, groups, kept, surgery, batches)
    if not math.isfinite(result.max_abs_diff):
        raise PrunekitError(
            "The model computes numbers too large, or none (nan), so the cut cannot be proved; its weights are "
            "damaged, or a training diverged: lower training.learning_rate."
        )
    if not result.holds(model.dtype):
        tokens = "equal" if result.tokens_equal else "different"
        raise PrunekitError(
            f"The cut model differs from the masked one (logits by {result.max_rel_diff:.1e} of the largest, tokens "
            f"{tokens}); the adapter {type(adapter).__name__} is wrong for this model."
        )
    return result
