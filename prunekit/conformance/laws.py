"""Checks of the laws: masked equals cut, in logits and tokens, and saved equals loaded."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from prunekit.conformance.checks import PLANS, Failure, Skip, difference, need, plan_text, register
from prunekit.conformance.model_under_test import WAYS, ModelUnderTest, random_plans
from prunekit.conformance.reload import OWN, STRANGER, reload
from prunekit.cut.token_ids import Renumbering
from prunekit.export.to_plain import padded_model
from prunekit.find.groups import Kind
from prunekit.find.plan import PruningPlan
from prunekit.generation import shared_beams

ROUNDING = 1e-6
"""How far equal models may be apart in two processes, relative to the largest logit: memory lies elsewhere."""


def _agree(specimen: ModelUnderTest, expected: Tensor, model: PreTrainedModel, plan: PruningPlan) -> None:
    found = difference(expected, specimen.logits(model))
    if not found <= specimen.tolerance:
        raise Failure(f"logits differ by {found:.1e} of the largest with {plan_text(plan)}")


def _equal(specimen: ModelUnderTest, plans: Iterable[PruningPlan]) -> None:
    for plan in plans:
        with specimen.masked(plan):
            expected = specimen.logits(specimen.model)
        _agree(specimen, expected, specimen.cut(plan), plan)


def _kind(kind: Kind, mend: str) -> None:
    def masked_equals_cut(specimen: ModelUnderTest) -> None:
        _equal(specimen, random_plans(need(specimen, kind), PLANS))

    masked_equals_cut.__doc__ = f"The masked model and the cut one give the same logits, for plans of {kind} alone."
    register(kind.value, mend)(masked_equals_cut)


_kind(Kind.HEADS, "check the attention's `count`, `width`, `results` and `shared`, and `head_size`")
_kind(Kind.FFN, "check the root of the feed-forward layer")
_kind(Kind.LAYERS, "check `depth`, `own_depth`, and `first` for what only a first layer has")
_kind(
    Kind.HIDDEN, "check `gathers` and what stands beside the stream without being traced; or name the group in `whole`"
)


@register("mixed", "two kinds that are right alone slice the same tensor; check the roots' modules")
def all_kinds_together(specimen: ModelUnderTest) -> None:
    """The masked model and the cut one give the same logits, for plans of every kind at once."""
    _equal(specimen, random_plans(specimen.groups(), PLANS))


@register("vocabulary", "name buffers with one value per token under `biases`, and say `whole` of what cannot lose any")
def fewer_tokens(specimen: ModelUnderTest) -> None:
    """Tokens that no input has may go: the others keep their logits and are generated as before, by new numbers."""
    (words,) = need(specimen, Kind.VOCABULARY)
    others = list(random_plans(specimen.groups(), PLANS))
    for seed, other in enumerate([PruningPlan(), *others[: PLANS // 2]]):
        plan = specimen.words(words, seed).then(other)
        fewer, small = Renumbering.of([words], plan), specimen.cut(plan)
        if fewer is None:
            raise Failure("the inputs have every token, so that none can go; give the specimen more")
        with specimen.masked(plan):
            expected = specimen.logits(specimen.model)[..., fewer.kept_ids]
            tokens = {
                way: specimen.tokens(specimen.model, way) for way in ("greedy", "beam") if way not in specimen.ways
            }
        _agree(specimen, expected, small, plan)
        for way, found in tokens.items():
            if not torch.equal(fewer.renumber(found), specimen.tokens(small, way)):
                raise Failure(f"the tokens differ ({way}) with {plan_text(plan)}")
        if small.config.get_text_config(decoder=True).vocab_size != len(fewer.kept_ids):
            raise Failure(f"the config says {small.config.vocab_size} tokens, the model has {len(fewer.kept_ids)}")


@register("first", "declare `first` for what only the first layer owns")
def first_layers(specimen: ModelUnderTest) -> None:
    """Layers may go with and without the first of either stack."""
    groups = need(specimen, Kind.LAYERS)
    _equal(specimen, (PruningPlan({g.name: g.ids[part] for g in groups}) for part in (slice(1, None), slice(-1))))


@register("empty", "check `results`, and that the attention's output projection is the last that reads the heads")
def nothing_left(specimen: ModelUnderTest) -> None:
    """Attentions and feed-forward layers may go altogether, in the first layers too."""
    groups = need(specimen, Kind.HEADS, Kind.FFN)
    layers = {g.name: g.ids[-1:] for g in specimen.groups(Kind.LAYERS)}
    bare = PruningPlan({g.name: () for g in groups})
    _equal(specimen, (bare, PruningPlan({**bare.kept, **layers})))


@register("twice", "plans compose; check what surgery moves from one layer to another")
def cut_in_two_steps(specimen: ModelUnderTest) -> None:
    """A model that was cut may be cut again, and is then what one cut would have left."""
    plans = list(random_plans(specimen.groups(), 2 * PLANS))
    for first, later in zip(plans[:PLANS], plans[PLANS:], strict=True):
        both = _possible(specimen, first, later)
        once, again = specimen.cut(both), specimen.cut(both, specimen.cut(first), first)
        _agree(specimen, specimen.logits(once), again, both)


def _possible(specimen: ModelUnderTest, first: PruningPlan, later: PruningPlan) -> PruningPlan:
    """Both plans, but the first alone where together they would leave no layer or no hidden dimension."""
    both = first.then(later)
    lost = {g.name for g in specimen.graph.groups if g.kind in (Kind.LAYERS, Kind.HIDDEN) and not both.of(g)}
    hidden = {g.name for g in specimen.graph.groups if g.kind is Kind.HIDDEN}  # one may lie within another
    bound = lost | hidden if lost & hidden else lost
    kept = {name: ids for name, ids in both.kept.items() if name not in bound}
    return PruningPlan({**kept, **{name: ids for name, ids in first.kept.items() if name in bound}})


def _generation(way: str) -> None:
    def same_tokens(specimen: ModelUnderTest) -> None:
        if way in specimen.ways:
            raise Skip(f"the dense model cannot: {specimen.ways[way]}")
        for plan in random_plans(specimen.groups(), PLANS // 2):
            with specimen.masked(plan):
                expected = specimen.tokens(specimen.model, way)
            if not torch.equal(expected, specimen.tokens(specimen.cut(plan), way)):
                raise Failure(f"the tokens differ with {plan_text(plan)}")

    same_tokens.__doc__ = f"The masked model and the cut one generate the same tokens ({way})."
    register(f"generate-{way}", "check that attentions carry their number as `layer_idx`, and the config's depths")(
        same_tokens
    )


for _way in WAYS:
    _generation(_way)


@register("beams", "the encoder's part of the cache must be the same for all beams; see `prunekit.shared_beams`")
def beams_may_share(specimen: ModelUnderTest) -> None:
    """Beams that share the encoder's part of the cache make the same tokens as beams that copy it."""
    if "beam" in specimen.ways:
        raise Skip(f"the dense model cannot: {specimen.ways['beam']}")
    for plan in random_plans(specimen.groups(), 1):
        small = specimen.cut(plan)
        with shared_beams(small):
            tokens = specimen.tokens(small, "beam")
        if not torch.equal(tokens, specimen.tokens(small, "beam")):
            raise Failure(f"the tokens differ with {plan_text(plan)}")


@register("padded", "check that whatever reads heads or channels is linear in them")
def zeros_stand_for_what_went(specimen: ModelUnderTest) -> None:
    """A stock model with fewer decoder layers, and zeros for heads and channels that went, gives the same logits."""
    layers = [group for group in specimen.groups(Kind.LAYERS) if group.stack == "decoder"]
    for plan in random_plans([*need(specimen, Kind.HEADS, Kind.FFN), *layers], PLANS // 2):
        small = specimen.cut(plan)
        _agree(specimen, specimen.logits(small), padded_model(small, specimen.adapter, specimen.graph), plan)


def _reloaded(
    specimen: ModelUnderTest, plans: Iterable[PruningPlan], program: Sequence[str], way: str = "greedy"
) -> None:
    inputs = {} if way in specimen.ways else specimen.inputs
    for plan in plans:
        small = specimen.cut(plan)
        found = reload(small, specimen.read_by(small, specimen.batch), specimen.read_by(small, inputs), program, way)
        if not (off := difference(specimen.logits(small), found["logits"])) <= ROUNDING:
            raise Failure(f"the logits differ by {off:.1e} of the largest after a reload with {plan_text(plan)}")
        if inputs and not torch.equal(specimen.tokens(small, way), found["tokens"]):
            raise Failure(f"the tokens differ after a reload with {plan_text(plan)}")


@register("saved", "what is not in the checkpoint must come from the config; see `Layout`")
def saved_equals_loaded(specimen: ModelUnderTest) -> None:
    """A cut model that is saved comes back in a fresh process with the same logits and tokens."""
    _reloaded(specimen, random_plans(specimen.groups(), 2), OWN)


@register("portable", "what the model needs must stand in the config and the stock class; see `Layout`")
def loads_anywhere(specimen: ModelUnderTest) -> None:
    """It does so too where prunekit is not installed: transformers loads it, saves it, and loads it again."""
    words = [specimen.words(group, 0) for group in specimen.groups(Kind.VOCABULARY)]
    plans = (plan.then(*words) if words else plan for plan in random_plans(specimen.groups(), 1))
    _reloaded(specimen, plans, STRANGER, "beam")


@register("plain", "check that the config's keys for depths are all declared")
def fewer_decoder_layers_make_a_stock_model(specimen: ModelUnderTest) -> None:
    """Where only decoder layers went, the stock class loads the model, without any code beside it."""
    plan = PruningPlan({g.name: g.ids[1:] for g in need(specimen, Kind.LAYERS) if g.stack == "decoder"})
    if specimen.cut(plan).config.prunekit["plain"] is None:
        raise Failure(f"the stock class cannot express {plan_text(plan)}")
    _reloaded(specimen, [plan], STRANGER)
