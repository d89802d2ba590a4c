"""Hardening: from learned keep-probabilities to a plan that meets its targets from above, within one step."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan
from prunekit.find.size import Size, keep_values
from prunekit.learn.masking.gates import Constraint, HardConcreteGates
from prunekit.learn.selection.size_search import Chunk, chunks, prune_to_size
from prunekit.learn.strategy import Problem


def harden(problem: Problem, gates: HardConcreteGates) -> PruningPlan:
    """The plan that `gates` have learned, from coarse units to fine ones, with every constraint met exactly.

    Hidden dimensions are removed first, as many as the gates expect to (to the nearest `round_to`), then the sub-layers
    whose own gate is more likely 0 than not, as long as none of this alone removes more than the target asks. Heads and
    channels of the rest then compete by keep-probability until the target is met, which `prune_to_size` does within one
    step. A layer without any unit left is removed as a whole, unless it is the last of its stack.

    Example: at 60% with 512 dimensions of which 300.4 are expected to be kept, 304 are kept; 3 of 12 feed-forward
    blocks with a gate below 0.5 are removed; the weakest of the other heads and channels make up the rest.
    """
    plan = _keep_dimensions(problem, gates)
    for constraint in gates.constraints:
        plan = plan.then(_meet_constraint(problem, gates, constraint, plan))
    return plan


@dataclass(frozen=True)
class FixedSize:
    """A size with some groups fixed: the number of hidden dimensions, empty sub-layers, and removed layers.

    Example: with ``counts = {"hidden": 304}``, ``counted({"encoder.0.ffn": 100})`` is the size of a model with 304
    hidden dimensions and 100 channels in the encoder's first layer.
    """

    size: Size
    counts: Mapping[str, int]
    layers: Mapping[str, Sequence[int]]

    def counted(self, counts: Mapping[str, int]) -> int:
        """The parameters left with this many units in the groups that are not fixed."""
        return self.size.counted({**self.counts, **counts}, self.layers)


def _probabilities(gates: HardConcreteGates) -> dict[str, Tensor]:
    return {name: values.detach().cpu() for name, values in gates.keep_probabilities().items()}


def _keep_dimensions(problem: Problem, gates: HardConcreteGates) -> PruningPlan:
    """The hidden dimensions to keep."""
    kept: dict[str, tuple[int, ...]] = {}
    for group in gates.groups:
        if group.kind is Kind.HIDDEN:
            probabilities = _probabilities(gates)[group.name]
            removed = _removed_chunks(group, probabilities, problem.round_to, gates.constraints)
            kept[group.name] = tuple(set(group.ids) - {unit for chunk in removed for unit in chunk.units})
    return PruningPlan(kept)


def _removed_chunks(
    group: PruningGroup, probabilities: Tensor, round_to: int, constraints: Sequence[Constraint]
) -> list[Chunk]:
    """The chunks of hidden dimensions to remove: down to the expected number, and no constraint overshot."""
    expected = float(probabilities.sum())
    removed: list[Chunk] = []
    left = len(group)
    for chunk in chunks(group, probabilities, round_to):
        fewer = left - len(chunk.units)
        overshoots = any(each.size.counted({group.name: fewer}) < each.max_parameters for each in constraints)
        if left - len(chunk.units) / 2 <= expected or overshoots:
            break
        removed.append(chunk)
        left = fewer
    return removed


def _meet_constraint(
    problem: Problem, gates: HardConcreteGates, constraint: Constraint, before: PruningPlan
) -> PruningPlan:
    """The heads, channels and layers to keep of what a constraint counts, after `before`.

    In every round the size counts as removed exactly the layers that `empty` sub-layers leave without units. The search
    for a plan of that size may empty further sub-layers and with them a layer, whose norms are then counted although
    they are removed; in that case these sub-layers join `empty` and the search is repeated. Every round but the last
    adds a sub-layer, so there are at most as many rounds as groups and one more.
    """
    groups = [g for g in gates.groups if g.kind is not Kind.HIDDEN and g.name in constraint.size.names]
    counts = _unit_counts(problem, before)
    scores = _probabilities(gates)
    empty = set(_empty_sublayers(gates, groups, FixedSize(constraint.size, counts, {}), constraint.max_parameters))
    for _ in range(len(groups) + 1):
        fixed = PruningPlan({name: () for name in empty})
        layers = _keep_layers(problem, gates, fixed)
        size = _fixed_size(constraint.size, problem, counts, fixed.then(layers))
        others = [group for group in groups if group.name not in empty]
        pruned = prune_to_size(others, scores, size, constraint.max_parameters, problem.round_to)
        plan = fixed.then(pruned).then(layers)
        if _keep_layers(problem, gates, plan) == layers:
            return plan
        empty |= {group.name for group in others if not plan.of(group)}
    raise AssertionError("every round but the last empties another sub-layer")


def _unit_counts(problem: Problem, plan: PruningPlan) -> dict[str, int]:
    """How many units a plan keeps of the groups that it names, layers apart."""
    groups = {group.name: group for group in problem.groups}
    return {name: len(plan.of(groups[name])) for name in plan.kept if groups[name].kind is not Kind.LAYERS}


def _empty_sublayers(
    gates: HardConcreteGates, groups: Sequence[PruningGroup], size: FixedSize, max_parameters: float
) -> Iterator[str]:
    """The sub-layers that are more likely off than on, weakest first, until removing more would overshoot."""
    names = {group.name for group in groups}
    counts: dict[str, int] = {}
    for name, probability in sorted(gates.sublayer_probabilities().items(), key=lambda item: (item[1], item[0])):
        if name in names and probability < 0.5 and size.counted({**counts, name: 0}) >= max_parameters:
            counts[name] = 0
            yield name


def _keep_layers(problem: Problem, gates: HardConcreteGates, plan: PruningPlan) -> PruningPlan:
    """The layers that have a head or a channel left; where none has, the one whose gates are the most open."""
    kept: dict[str, tuple[int, ...]] = {}
    openness = {name: float(values.sum()) for name, values in _probabilities(gates).items()}
    for stack in sorted({group.stack for group in gates.groups if group.kind is not Kind.HIDDEN}):
        widths = problem.widths(stack)
        layers = problem.layers(stack)
        alive = {group.layer for group in widths if plan.of(group)}
        total = {n: sum(openness.get(group.name, 0.0) for group in widths if group.layer == n) for n in layers.ids}
        alive = alive or {max(layers.ids, key=lambda number: total[number])}
        if len(alive) < len(layers):
            kept[layers.name] = tuple(number for number in layers.ids if number in alive)
    return PruningPlan(kept)


def _fixed_size(size: Size, problem: Problem, counts: Mapping[str, int], plan: PruningPlan) -> FixedSize:
    """The size with `counts` units, the layers that `plan` keeps, and the sub-layers that it empties."""
    layers = keep_values((group for group in problem.groups if group.kind is Kind.LAYERS), plan)
    return FixedSize(size, {**counts, **{name: 0 for name, ids in plan.kept.items() if not ids}}, layers)
