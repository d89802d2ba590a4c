"""Hardening: from learned keep-probabilities to a plan that meets its targets from above, by less than one step."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from prunekit.find.groups import Kind, PruningGroup
from prunekit.find.plan import PruningPlan
from prunekit.find.size import Size, keep_values
from prunekit.learn.masking.gates import Constraint, HardConcreteGates
from prunekit.learn.selection.size_search import Chunk, chunks, prune_to_size
from prunekit.learn.strategy import Problem


def harden(problem: Problem, gates: HardConcreteGates) -> PruningPlan:
    """The plan that `gates` have learned, from the coarse to the fine, with every constraint met exactly.

    Hidden dimensions go first, as many as are expected to go (to the nearest `round_to`), then the sub-layers whose own
    gate is more likely 0 than not, as long as none of this alone takes more than the target asks. Heads and channels of
    what is left then compete by keep-probability until the target is met, which `prune_to_size` does within one step.
    A layer without any unit left goes as a whole, unless it is the last of its stack.

    Example: at 60% with 512 dimensions of which 300.4 are expected to stay, 304 do; 3 of 12 feed-forward blocks with a
    gate below 0.5 go; the weakest of the other heads and channels make up the rest.
    """
    plan = _dimensions(problem, gates)
    for constraint in gates.constraints:
        plan = plan.then(_part(problem, gates, constraint, plan))
    return plan


def max_parameters_of(constraint: Constraint) -> float:
    """The most parameters that may stay at the end of the schedule."""
    return (1 - constraint.schedule.target) * constraint.whole


@dataclass(frozen=True)
class FixedSize:
    """A size of which some is settled: how many hidden dimensions, which sub-layers are empty, which layers gone."""

    size: Size
    counts: Mapping[str, int]
    layers: Mapping[str, Sequence[int]]

    def counted(self, counts: Mapping[str, int]) -> int:
        """The parameters left with this many units in the groups that are not settled."""
        return self.size.counted({**self.counts, **counts}, self.layers)


def _probabilities(gates: HardConcreteGates) -> dict[str, Tensor]:
    return {name: values.detach().cpu() for name, values in gates.keep_probabilities().items()}


def _dimensions(problem: Problem, gates: HardConcreteGates) -> PruningPlan:
    """The hidden dimensions that stay."""
    kept: dict[str, tuple[int, ...]] = {}
    for group in gates.groups:
        if group.kind is Kind.HIDDEN:
            probabilities = _probabilities(gates)[group.name]
            expected = float(probabilities.sum())
            gone: list[Chunk] = []
            left = len(group)
            for chunk in chunks(group, probabilities, problem.round_to):
                if left - len(chunk.units) / 2 <= expected or not _room(gates, {group.name: left - len(chunk.units)}):
                    break
                gone.append(chunk)
                left -= len(chunk.units)
            kept[group.name] = tuple(set(group.ids) - {unit for chunk in gone for unit in chunk.units})
    return PruningPlan(kept)


def _room(gates: HardConcreteGates, counts: Mapping[str, int]) -> bool:
    """Whether every constraint allows this few units: as much is left as its target asks, or more."""
    return all(constraint.size.counted(counts) >= max_parameters_of(constraint) for constraint in gates.constraints)


def _part(problem: Problem, gates: HardConcreteGates, constraint: Constraint, before: PruningPlan) -> PruningPlan:
    """The heads, channels and layers that stay of what a constraint counts, after `before`."""
    groups = [g for g in gates.groups if g.kind is not Kind.HIDDEN and g.name in constraint.size.names]
    named = {group.name: group for group in problem.groups}
    counts = {name: len(before.of(named[name])) for name in before.kept if named[name].kind is not Kind.LAYERS}
    scores = _probabilities(gates)
    empty = set(_empty_sublayers(gates, groups, FixedSize(constraint.size, counts, {}), max_parameters_of(constraint)))
    while True:
        plan = PruningPlan({name: () for name in empty})
        layers = _layers(problem, gates, plan)
        settled = _settled(constraint.size, problem, counts, plan.then(layers))
        active = [group for group in groups if group.name not in empty]
        plan = plan.then(prune_to_size(active, scores, settled, max_parameters_of(constraint), problem.round_to)).then(
            layers
        )
        emptied = {group.name for group in active if not plan.of(group)}
        if _layers(problem, gates, plan) == layers:
            return plan
        empty |= emptied


def _empty_sublayers(
    gates: HardConcreteGates, groups: Iterable[PruningGroup], size: FixedSize, least: float
) -> Iterator[str]:
    """The sub-layers that are more likely off, weakest first, as long as `least` parameters stay."""
    here = {group.name for group in groups}
    counts: dict[str, int] = {}
    for name, probability in sorted(gates.sublayer_probabilities().items(), key=lambda item: (item[1], item[0])):
        if name in here and probability < 0.5 and size.counted({**counts, name: 0}) >= least:
            counts[name] = 0
            yield name


def _layers(problem: Problem, gates: HardConcreteGates, plan: PruningPlan) -> PruningPlan:
    """The layers that have a head or a channel left; where none has, the one whose gates were the most open."""
    kept: dict[str, tuple[int, ...]] = {}
    scores = {name: float(values.sum()) for name, values in _probabilities(gates).items()}
    for stack in sorted({group.stack for group in gates.groups if group.kind is not Kind.HIDDEN}):
        units = problem.widths(stack)
        layers = problem.layers(stack)
        alive = {group.layer for group in units if plan.of(group)}
        openness = {n: sum(scores.get(group.name, 0.0) for group in units if group.layer == n) for n in layers.ids}
        alive = alive or {max(layers.ids, key=lambda number: openness[number])}
        if len(alive) < len(layers):
            kept[layers.name] = tuple(number for number in layers.ids if number in alive)
    return PruningPlan(kept)


def _settled(size: Size, problem: Problem, counts: Mapping[str, int], plan: PruningPlan) -> FixedSize:
    """The size with what `plan` decides, beside `counts`."""
    layers = keep_values((group for group in problem.groups if group.kind is Kind.LAYERS), plan)
    return FixedSize(size, {**counts, **{name: 0 for name, ids in plan.kept.items() if not ids}}, layers)
