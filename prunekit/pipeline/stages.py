"""The stages of a run, each a function from one `RunState` to the next, and `STAGES`, their order."""

import copy
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from transformers import PreTrainedModel

from prunekit._support.atomic import write_text
from prunekit.cut import checkpoint
from prunekit.cut.token_ids import Renumbering
from prunekit.errors import PrunekitError
from prunekit.find.plan import PruningPlan
from prunekit.learn.bench import Bench
from prunekit.learn.strategy import Problem
from prunekit.learn.training.budget import BudgetTracker
from prunekit.learn.training.context import TrainingContext
from prunekit.learn.training.distillation import Distillation
from prunekit.learn.training.teacher import Teacher
from prunekit.loading.context import RunContext, open_strategy
from prunekit.pipeline.abilities import warn_of_lost_abilities
from prunekit.pipeline.checked_cut import cut_checked
from prunekit.pipeline.evaluation import dev_score, evaluate_run, quality_of, report_on, take_first
from prunekit.pipeline.kept_tokens import kept_token_ids
from prunekit.pipeline.precision import settle_precision
from prunekit.pipeline.preflight import look_at_run
from prunekit.pipeline.problem import problem_of
from prunekit.pipeline.pruned_context import with_fewer_tokens
from prunekit.pipeline.recovery import forget_weights, recovered_stages, recovery_phase, within_budget
from prunekit.pipeline.speed_options import resolve_target
from prunekit.pipeline.state import DenseTeacher, RunState, encode_data, teacher_cache
from prunekit.pipeline.targets import labelled_training, write_targets
from prunekit.recipe import MeasureSection
from prunekit.report.files import write_report
from prunekit.report.model_card import model_card
from prunekit.report.training_log import phases
from prunekit.vocabulary.pruning import plan_for

log = logging.getLogger(__name__)


def aim_at_speed(state: RunState) -> RunState:
    """Choose the strategy's options for the recipe's speed target, if it has one."""
    target = resolve_target(state.recipe, state.dense, state.strategy, state.directory, state.progress)
    if target is None:
        return state
    return replace(state, target=target, recipe=target.recipe, strategy=open_strategy(target.recipe))


def check_given_plan(state: RunState) -> RunState:
    """Raise `PrunekitError` for a given plan that does not fit the model, or what an earlier run left of it."""
    _check_fits(state if state.start is None else replace(state, plan=state.start.plan), state.proposal)
    return state


def look_before_work(state: RunState) -> RunState:
    """Look at model and data, and warn of what is cut, lost or doubtful."""
    found = look_at_run(state)
    if state.show is not None:
        state.show(found)
    return replace(state, found=found)


def train_teacher(state: RunState) -> RunState:
    """Train the dense model on the task if the recipe asks for it, and set it aside.

    Raises `PrunekitError` for one that cannot do the task, and before any training where it cannot generate.
    """
    phase = state.recipe.teacher
    if phase.steps:
        quality_of(state.dense, take_first(state.dense.task.dev, 1), 1)
        state = settle_precision(state)
    training = labelled_training(state) if phase.steps else state.data.training
    free = replace(training, budget=BudgetTracker())
    losses = Distillation.of(phase.distillation)
    _bench(state, "teacher", None, free).train(losses, steps=phase.steps, learning_rate=phase.learning_rate)
    _check_quality(state.dense, state.recipe.measure)
    dense = copy.deepcopy(state.dense.model)
    dense.train(False)
    return replace(state, dense=replace(state.dense, model=dense), teacher=replace(state.teacher, model=dense))


def cut_vocabulary(state: RunState) -> RunState:
    """Remove the tokens that the recipe's corpus, or the given plan, can do without.

    The processor, the encoded rows and the teacher follow; the dense model keeps all tokens.
    """
    ids = kept_token_ids(state)
    if ids is None:
        return state
    graph = state.dense.graph.after(state.plan)
    plan = plan_for(graph, ids)
    back = Renumbering(dict(enumerate(ids)), len(ids))
    pruned = with_fewer_tokens(state.pruned, graph, plan, ids)
    data = encode_data(pruned, state.recipe, state.directory, state.progress, state.budget)
    unread = [back.renumber_batch(batch) for batch in data.proofs]  # as the model reads them before the cut
    state = _cut(replace(state, pruned=pruned, data=data), plan, unread)
    teacher = DenseTeacher(copy.deepcopy(pruned.model), state.plan, teacher_cache(state.recipe.training))
    return replace(state, teacher=teacher)


def load_start(state: RunState) -> RunState:
    """Go on with the model that an earlier run left, if the recipe names one; its tokens are cut here already."""
    start = state.start
    if start is None:
        return state
    model = start.open_model(state.pruned, state.recipe)
    return replace(state, pruned=replace(state.pruned, model=model), plan=start.plan)


def propose_upfront(state: RunState) -> RunState:
    """Ask the strategy what to remove before any training; a given plan stands as it is."""
    if state.strategy is None:
        return state
    with state.budget.running():
        plan = state.strategy.upfront(_problem(state), _bench(state, "upfront", _teacher(state)))
    _check_fits(state, plan)
    return replace(state, proposal=plan)


def cut_proposal(state: RunState) -> RunState:
    """Cut the live model to the proposed plan, and prove it against the masked one on dev rows."""
    return replace(_cut(state, state.proposal, state.data.proofs), proposal=PruningPlan())


def learn_plan(state: RunState) -> RunState:
    """Ask the strategy what to remove from the model that is left, after training as it likes; claim the directory."""
    if state.strategy is not None:
        with state.budget.running():
            plan = state.strategy.plan(_problem(state), _bench(state, "learn", _teacher(state)))
        state = replace(state, proposal=plan)
    state.directory.claim()
    return state


def recover(state: RunState) -> RunState:
    """Fine-tune the pruned model, for the steps that the recipe asks for or that its budget has left."""
    recipe = state.recipe
    if recipe.recovery.weights == "random":
        forget_weights(state.pruned, state.plan, state.dense_config, recipe.seed)
    bench = _bench(state, "recover", _teacher(state))
    recipe = within_budget(recipe, bench, state.directory)
    phase = recovery_phase(recipe.recovery)
    with state.budget.running():
        done = bench.trainer.train(phase)
    if state.strategy is not None:
        _warn_if_untrained(state)
    return replace(state, recipe=recipe, recovered=tuple(recovered_stages(phase, done)))


def evaluate(state: RunState) -> RunState:
    """Score and time both models."""
    found = evaluate_run(state.dense, state.pruned, state.recipe.measure, state.recipe.seed, state.listener)
    return replace(state, evaluation=found)


def write_results(state: RunState) -> RunState:
    """Write the plan, the model, the predictions and the report; the run is then complete."""
    directory = state.directory
    evaluation = state.evaluation
    assert evaluation is not None
    seconds = directory.seconds()
    report = report_on(evaluation, state.dense, state.recipe, state.plan, state.equivalence, seconds, state.budget)
    report = report.model_copy(update={"data": warn_of_lost_abilities(state), "recovery": state.recovered})
    if state.start is not None:
        report = state.start.add_cost(report)
    if state.target is not None:
        report = state.target.add_prediction(report, state.plan)
    model = state.pruned.model
    write_text(directory.path / "plan.json", state.plan.to_json())
    card = model_card(report, *checkpoint.auto_class_of(model))
    checkpoint.save(model, directory.path / "model", state.pruned.processor, card)
    evaluation.predictions.write(directory.path / "predictions.jsonl")
    write_report(report, directory.path)
    state.trackers.conclude(state.recipe, report)
    directory.close(state.recipe)
    return replace(state, report=report)


STAGES: tuple[tuple[str, Callable[[RunState], RunState]], ...] = (
    ("find", aim_at_speed),
    ("find", check_given_plan),
    ("find", look_before_work),
    ("learn", train_teacher),
    ("learn", write_targets),
    ("cut", cut_vocabulary),
    ("cut", load_start),
    ("learn", propose_upfront),
    ("cut", cut_proposal),
    ("learn", settle_precision),
    ("learn", learn_plan),
    ("cut", cut_proposal),
    ("recover", recover),
    ("measure", evaluate),
)
"""The stages of a run, each with the key of `report.json`'s ``seconds`` under which its time counts."""

LOOKING = tuple(stage for counted, stage in STAGES if counted == "find")
"""The stages that come before any work: all that a dry run does."""


def _problem(state: RunState) -> Problem:
    return problem_of(state.dense.graph, state.recipe, state.plan)


def _check_fits(state: RunState, plan: PruningPlan) -> None:
    state.plan.then(plan).validate(state.dense.graph.groups)


def _bench(state: RunState, phase: str, teacher: Teacher | None, training: TrainingContext | None = None) -> Bench:
    def score(model: PreTrainedModel) -> float:
        return dev_score(replace(state.pruned, model=model), state.recipe.measure)

    context = replace(training or state.data.training, on_line=lambda: state.trackers.follow(state.recipe))
    higher = state.dense.task.metrics[0].higher_is_better
    return Bench(state.pruned.model, context, score, state.groups, teacher, phase, higher)


def _teacher(state: RunState) -> Teacher:
    return state.teacher.of(state.dense.graph.groups, state.plan)


def _check_quality(context: RunContext, measure: MeasureSection) -> None:
    """Raise `PrunekitError` where a dense model has not learned its task."""
    metric = context.task.metrics[0]
    quality = dev_score(context, measure)
    share = metric.share(quality)
    if share is not None and share < measure.least_quality:
        raise PrunekitError(
            f"The dense model's {metric.name} on the dev set is {quality:.3f}: it has not learned the task; give a "
            "model that was fine-tuned on it, or let prunekit train it with --set teacher.steps=N."
        )


def _cut(state: RunState, plan: PruningPlan, proofs: Sequence[dict[str, Any]]) -> RunState:
    """Cut the live model in place, if the plan removes anything, and prove it on `proofs`."""
    total = state.plan.then(plan)
    if total == state.plan:
        return state
    context = state.dense
    model = state.pruned.model
    found = cut_checked(model, plan, context.adapter, context.graph, state.dense_config, state.plan, proofs)
    worst = found if state.equivalence is None else state.equivalence.worse(found)
    return replace(state, plan=total, equivalence=worst)


def _warn_if_untrained(state: RunState) -> None:
    if not phases(state.directory.log) - {"teacher"}:
        log.warning(
            "Nothing was trained, so nothing makes good what the cut took: give the recovery steps "
            "(--set recovery.steps=1000) or a budget (--set budget.examples=100000)."
        )
