"""The steps of a front: how many decoder layers each keeps, whether it narrows the encoder, and what it may spend."""

from collections.abc import Callable, Sequence

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from prunekit._support.frozen import FrozenModel
from prunekit.errors import PrunekitError
from prunekit.recipe import BudgetSection
from prunekit.report.sections import SpentSection

LAST_STEPS = 4
"""The decoder layers from which one is removed at a time; deeper decoders are halved."""

WORTH_NARROWING = 1.02
"""The predicted gain in speed from which a step narrows the encoder too."""

LEAST_SECONDS = 1.0
"""What a step gets where those before it have spent everything."""


class FrontStep(FrozenModel):
    """One step: a run that starts from the model of the step before.

    `encoder_sparsity` is None for a strategy without that option. `share` is the step's part of the whole budget,
    `recovery_steps` its part of ``recovery.steps``, which count without a budget. Example: ``decoder_layers=3`` of 12
    with 20% of 300 CPU-seconds.
    """

    decoder_layers: PositiveInt
    encoder_sparsity: float | None
    share: PositiveFloat
    recovery_steps: NonNegativeInt

    @property
    def name(self) -> str:
        """What its directory is called. Example: ``decoder-3``."""
        return f"decoder-{self.decoder_layers}"


def default_depths(layers: int) -> list[int]:
    """The decoder is halved until four layers are kept, then loses one at a time. Example: 12 to 6, 4, 3, 2 and 1."""
    depths = []
    while layers > 1:
        layers = max((layers + 1) // 2, LAST_STEPS) if layers > LAST_STEPS else layers - 1
        depths.append(layers)
    return depths


def checked_depths(asked: Sequence[int], layers: int) -> list[int]:
    """The numbers of decoder layers to keep in turn, most first; raises `PrunekitError` for impossible ones."""
    if layers < 2:
        raise PrunekitError(
            "The decoder has a single layer, so there are no steps to remove more; prune widths with prunekit run."
        )
    wrong = next((depth for depth in asked if not 1 <= depth < layers), None)
    if wrong is not None:
        raise PrunekitError(
            f"A step is to keep {wrong} decoder layers, but there are {layers}; name numbers from 1 to {layers - 1}, "
            f"as in --layers {','.join(map(str, default_depths(layers)))}."
        )
    return sorted(set(asked), reverse=True) or default_depths(layers)


def budget_shares(depths: Sequence[int], layers: int) -> list[float]:
    """Each step's share of the budget, in proportion to the share of the decoder's layers that it does without.

    Small models need more to recover, and what an early step learnt serves all later ones. Example: 6 and 3 of 12
    layers get 0.4 and 0.6.
    """
    weights = [1 - depth / layers for depth in depths]
    return [weight / sum(weights) for weight in weights]


def narrowed_from(depths: Sequence[int], sparsity: float, speedup: Callable[[int, float], float]) -> list[float]:
    """The encoder's sparsity of every step: none until it makes the model 2% faster, by the predicted `speedup`."""
    found = []
    worth = False
    for depth in depths:
        worth = worth or speedup(depth, sparsity) >= WORTH_NARROWING * speedup(depth, 0.0)
        found.append(sparsity if worth else 0.0)
    return found


def front_steps(
    depths: Sequence[int], layers: int, sparsities: Sequence[float | None], recovery_steps: int
) -> list[FrontStep]:
    """The steps for a decoder of so many layers, with their shares."""
    shares = budget_shares(depths, layers)
    parts = zip(depths, sparsities, shares, portions(recovery_steps, shares), strict=True)
    return [
        FrontStep(decoder_layers=depth, encoder_sparsity=sparsity, share=share, recovery_steps=steps)
        for depth, sparsity, share, steps in parts
    ]


def step_budget(whole: BudgetSection, shares: Sequence[float], spent: SpentSection) -> BudgetSection:
    """What the next step may spend of what is left, with the `shares` of it and of all later ones.

    What a step had left over, or overdrew, is divided among those that follow. Example: of 300 CPU-seconds 60 are
    spent; with the shares 0.2 and 0.6 the next step gets 60.
    """
    part = shares[0] / sum(shares)
    examples = seconds = None
    if whole.examples is not None:
        examples = max(1, int(part * (whole.examples - spent.examples)))
    if whole.cpu_seconds is not None:
        seconds = max(LEAST_SECONDS, part * (whole.cpu_seconds - spent.cpu_seconds))
    return BudgetSection(examples=examples, cpu_seconds=seconds)


def portions(total: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers in proportion to shares of 1 that add up to the total. Example: 10 by 0.25 and 0.75: 2 and 8."""
    ends = [round(total * sum(shares[: number + 1])) for number in range(len(shares))]
    return [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
