"""What a strategy will do, as far as it tells by a bench that computes nothing: how much it removes, how it trains."""

import logging
from dataclasses import dataclass

from prunekit.errors import PrunekitError
from prunekit.find.plan import PruningPlan, groups_after
from prunekit.learn.dry_run_bench import DryRunBench
from prunekit.learn.training.phase import TrainingPhase
from prunekit.pipeline.kept_tokens import kept_token_ids
from prunekit.pipeline.problem import problem_of
from prunekit.pipeline.state import RunState
from prunekit.vocabulary.pruning import plan_for

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExpectedWork:
    """What a run will remove, with any units of the right number, and how its strategy will train.

    `upfront` is what has gone before the strategy's training `phases` begin, `total` what has gone at the end.
    """

    upfront: PruningPlan
    total: PruningPlan
    phases: tuple[TrainingPhase, ...] = ()


def expected_work(state: RunState) -> ExpectedWork | None:
    """What the strategy of a run that has just been opened asks of a bench; None where it needs a real one.

    Raises `PrunekitError` for a plan that does not fit, and for what the strategy itself refuses.
    """
    before = state.plan.then(_tokens(state) if state.start is None else state.start.plan)
    if state.strategy is None:
        total = before.then(state.proposal)
        return ExpectedWork(total, total)
    try:
        return _asked(state, before)
    except PrunekitError:
        raise
    except Exception:  # an outsider's strategy may need a model, which this bench does not have
        log.debug("The strategy cannot be asked without a model.", exc_info=True)
        return None


def _asked(state: RunState, before: PruningPlan) -> ExpectedWork:
    strategy = state.strategy
    assert strategy is not None
    graph = state.dense.graph
    first = DryRunBench(groups_after(graph.groups, before))
    upfront = before.then(strategy.upfront(problem_of(graph, state.recipe, before), first))
    upfront.validate(graph.groups)
    second = DryRunBench(groups_after(graph.groups, upfront))
    total = upfront.then(strategy.plan(problem_of(graph, state.recipe, upfront), second))
    total.validate(graph.groups)
    return ExpectedWork(upfront, total, (*first.phases, *second.phases))


def _tokens(state: RunState) -> PruningPlan:
    """The tokens that a corpus can do without; nothing without one."""
    ids = None if state.recipe.vocabulary.corpus is None else kept_token_ids(state)
    return PruningPlan() if ids is None else plan_for(state.dense.graph.after(state.plan), ids)
