"""All checks of adapters, in the order in which they are made: cheap ones first."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial

from prunekit.conformance import declared, laws, structure
from prunekit.conformance.checks import Check, Skip
from prunekit.conformance.model_under_test import WAYS, ModelUnderTest
from prunekit.find.groups import Kind


def _check(id: str, run: Callable[[ModelUnderTest], None], mend: str) -> Check:
    """A check by a function, whose docstring says what holds."""
    return Check(id, run, mend, inspect.cleandoc(run.__doc__ or ""))


def _masked_equals_cut(kind: Kind, mend: str) -> Check:
    holds = f"The masked model and the cut one give the same logits, for plans of {kind} alone."
    return Check(kind.value, partial(laws.one_kind, kind=kind), mend, holds)


def _same_tokens(way: str) -> Check:
    mend = "check that attentions carry their number as `layer_idx`, and the config's depths"
    holds = f"The masked model and the cut one generate the same tokens ({way})."
    return Check(f"generate-{way}", partial(laws.same_tokens, way=way), mend, holds)


CHECKS: tuple[Check, ...] = (
    _check(
        "trace",
        declared.declaration_and_trace,
        "name the roots that tracing asks for; list what must be kept whole under `keep`, and couplings that must not "
        "be followed under `cuts`",
    ),
    _check(
        "names",
        declared.attributes_are_there,
        "correct the attributes that `heads` and `FirstOwned` name, and `head_size`; a config's are `config.x`",
    ),
    _check(
        "results",
        declared.attentions_return_as_many,
        "set `results` to the number of values that the attention returns",
    ),
    _check(
        "gathers",
        declared.streams_hang_on_tables,
        "name the table under `gathers`, or set `gathers = ()` if it is looked up in another way",
    ),
    _check(
        "hints",
        declared.hints_are_accepted,
        "let `attention_hints` return keywords of the model's forward pass, one row for each row of the batch",
    ),
    _check("parts", declared.parts_are_owned, "name the module that holds all of the stack as its `owner`"),
    _check("sizes", structure.counted_equals_real, "name every root; check `head_size` and the stacks' paths"),
    _check(
        "whole",
        structure.empty_plan_changes_nothing,
        "check the attributes that the roots name, such as the count of heads: surgery must not change anything that a "
        "plan does not name",
    ),
    _check(
        "loud",
        structure.wrong_slice_shows,
        "give the model under test larger weights, or check that the root names what it should",
    ),
    _check(
        "ties",
        structure.ties_are_kept,
        "list what the architecture ties in its `_tied_weights_keys`; surgery keeps ties by identity",
    ),
    _check(
        "numbers",
        structure.configs_agree,
        "name the config keys that count layers in `depth` and `own_depth`, and lists with one entry a layer in `each`",
    ),
    _check(
        "alignment",
        structure.alignment_heads_are_the_same,
        "name the generation config's lists of [decoder layer, head] under `alignment`",
    ),
    _masked_equals_cut(Kind.HEADS, "check the attention's `count`, `width`, `results` and `shared`, and `head_size`"),
    _masked_equals_cut(Kind.FFN, "check the root of the feed-forward layer"),
    _masked_equals_cut(Kind.LAYERS, "check `depth`, `own_depth`, and `first` for what only a first layer has"),
    _masked_equals_cut(
        Kind.HIDDEN,
        "check `gathers`, and what is added to the stream without being traced; or name the group in `whole`",
    ),
    _check(
        "mixed",
        laws.all_kinds_together,
        "check the roots' modules: two kinds that are right alone slice the same tensor",
    ),
    _check(
        "vocabulary",
        laws.fewer_tokens,
        "name buffers with one value per token under `biases`, or the vocabulary in `whole` if it cannot lose tokens",
    ),
    _check("first", laws.first_layers, "declare `first` for what only the first layer owns"),
    _check(
        "empty",
        laws.empty_sublayers,
        "check `results`, and that the attention's output projection is the last matrix that reads the heads",
    ),
    _check("twice", laws.cut_in_two_steps, "check what surgery moves from one layer to another; plans compose"),
    *(_same_tokens(way) for way in WAYS),
    _check(
        "beams",
        laws.beams_may_share,
        "check that the cross-attention's cache is the same for all beams of an input; see `prunekit.shared_beams`",
    ),
    _check(
        "padded",
        laws.zeros_replace_removed_units,
        "check that whatever reads heads or channels is linear in them",
    ),
    _check(
        "saved",
        laws.saved_equals_loaded,
        "put what the model needs beside its weights into the config; see `Layout`",
    ),
    _check(
        "portable",
        laws.loads_anywhere,
        "put what the model needs into the config or the stock class; see `Layout`",
    ),
    _check(
        "plain",
        laws.fewer_decoder_layers_make_a_stock_model,
        "declare all of the config's keys that count layers",
    ),
)
"""Every check. Outsiders meet the ids in their test reports and in ``prunekit check``."""


def failures(specimen: ModelUnderTest, checks: Iterable[Check] = CHECKS) -> Iterator[tuple[Check, str]]:
    """The checks that do not hold, one after the other, each with what is wrong."""
    for check in checks:
        with suppress(Skip):
            wrong = check.outcome(specimen)
            if wrong is not None:
                yield check, wrong
