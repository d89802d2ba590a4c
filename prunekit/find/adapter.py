"""Adapters: what an architecture declares, its stacks and the modules that are roots of heads and FFN channels."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import AutoModelForSeq2SeqLM, PretrainedConfig, PreTrainedModel
from transformers.initialization import no_init_weights

from prunekit.find.config_keys import get_key, set_key
from prunekit.find.groups import Kind, Role


@dataclass(frozen=True)
class SharedInput:
    """A tensor with one slice per head that one layer makes and hands on to the next ones, as T5 does with its bias.

    `argument` is the attention's keyword, `result` the position of the tensor in its outputs, `maker` the method that
    computes it in the layer that starts without one, `dim` the dimension that counts the heads. After a cut every layer
    takes the slices of its own heads and hands on the whole.
    Example: ``SharedInput("position_bias", result=1, maker="compute_bias", dim=1)``.
    """

    argument: str
    result: int
    maker: str
    dim: int


@dataclass(frozen=True)
class Root:
    """The module, relative to a layer, whose output rows are the units: a query projection, an FFN's first matrix.

    Example: ``heads("self_attn.q_proj")`` of a BART with 16 heads of size 64 has 1024 rows. Its stack sets the `role`:
    the first attention of a layer is the self-attention, the second one the cross-attention.
    """

    module: str
    kind: Kind
    count: str = ""
    shared: SharedInput | None = None
    broadcast: tuple[str, ...] = ()
    results: int = 2
    width: str = ""
    role: Role = Role.FFN

    @property
    def owner(self) -> str:
        """The module that `module` belongs to: the attention of a query projection."""
        return self.module.rpartition(".")[0]


def heads(
    module: str,
    count: str = "num_heads",
    shared: SharedInput | None = None,
    broadcast: str = "",
    results: int = 2,
    width: str = "",
) -> Root:
    """Attention heads, named by their query projection.

    `count` is the attribute of the attention that holds the number of heads (``config.x`` where its config does),
    `width` the one, if any, that holds the size of all of them together. `broadcast` names one that sizes a tensor
    which later layers reuse whatever their own number of heads: it becomes 1. `results` is how many values the
    attention returns, so that one without heads can be skipped.
    """
    return Root(module, Kind.HEADS, count, shared, (broadcast,) if broadcast else (), results, width)


def ffn(module: str) -> Root:
    """The channels of a feed-forward layer, named by (one of) its first matrices."""
    return Root(module, Kind.FFN)


@dataclass(frozen=True)
class FirstOwned:
    """Submodules that only the first layer of a stack has, with the flag that says so; they move to the new first.

    Example: ``FirstOwned("layer.0.SelfAttention", ("relative_attention_bias",), "has_relative_attention_bias")``.
    """

    module: str
    names: tuple[str, ...]
    flag: str


@dataclass(frozen=True, init=False)
class Stack:
    """A list of equal layers.

    Example: ``Stack("encoder", "model.encoder.layers", heads("self_attn.q_proj"), ffn("fc1"))``.

    `depth` names the config keys that count its layers (``decoder.num_hidden_layers`` in a config of configs),
    `own_depth` those in the stack's own copy of the config, `each` those that hold a list with one entry a layer.
    `first` is what only its first layer has, `owner` the module that holds all of the stack, if not the one around the
    list. A layer hands on as many `streams` of hidden states, its first arguments; most have one.
    """

    name: str
    path: str
    roots: tuple[Root, ...]
    depth: tuple[str, ...]
    own_depth: tuple[str, ...]
    first: FirstOwned | None
    owner: str
    each: tuple[str, ...]
    streams: int

    def __init__(
        self,
        name: str,
        path: str,
        *roots: Root,
        depth: tuple[str, ...] = (),
        own_depth: tuple[str, ...] = (),
        first: FirstOwned | None = None,
        owner: str = "",
        each: tuple[str, ...] = (),
        streams: int = 1,
    ):
        owner = owner or path.rpartition(".")[0]
        values = (name, path, _with_roles(roots), depth or (f"{name}_layers",), own_depth, first, owner, each, streams)
        for field, value in zip(self.__dataclass_fields__, values, strict=True):
            object.__setattr__(self, field, value)


def _with_roles(roots: Iterable[Root]) -> tuple[Root, ...]:
    """The roots of a layer, each with its role in it."""
    attentions = chain([Role.SELF], repeat(Role.CROSS))
    return tuple(root if root.kind is Kind.FFN else replace(root, role=next(attentions)) for root in roots)


class Adapter:
    """An architecture, declared. Subclasses state `stacks`; the rest has defaults for BART-like models.

    The traced couplings are the proof: a root that the trace contradicts, or a traced group that no root claims, is an
    error that names both. When the engine reads which declaration::

        trace     skeleton_sizes, skeleton     the small model that is traced, and built by `auto_class`, `fresh`
                  encoder_inputs, cuts         what it is traced with, and which couplings are not followed
        encode    attention_hints, ahead       what every batch holds beside the encoder's inputs; how long answers are
        check     stacks (heads, ffn), keep    each root owns one traced group; what no root claims is listed in `keep`
        group     head_size, whole             how many units a group has, and which groups no plan may cut
                  gathers, embeddings          which stack may be narrower than its table; what counts as embedding
        cut       FirstOwned, SharedInput      what moves to a new first layer; what layers share head by head
                  unused, alignment, biases    what does not run; lists of heads; constants per token
                  Stack.depth, own_depth, each the config's layer counts and lists
        export    ctranslate2                  the loader that reads the cut model
    """

    auto_class: ClassVar[Any] = AutoModelForSeq2SeqLM
    model_types: ClassVar[tuple[str, ...]] = ()
    """The `model_type`s of transformers that this adapter fits."""
    cuts: ClassVar[tuple[str, ...]] = ()
    """Parts of parameter names whose couplings are not followed, because surgery handles them by other means."""
    gathers: ClassVar[tuple[str, ...]] = ("encoder.embed_tokens",)
    """Ends of the paths of embeddings whose columns may be gathered at lookup, so that the stack behind them can be
    narrower than the table it shares."""
    unused: ClassVar[tuple[str, ...]] = ()
    """Paths of modules on whose output no logit depends, such as a pooler: they do not run in a cut model."""
    keep: ClassVar[tuple[str, ...]] = ()
    """Parts of parameter names whose traced groups are deliberately kept whole."""
    alignment: ClassVar[tuple[str, ...]] = ("alignment_heads",)
    """Keys of the generation config that list heads of cross-attention as ``[decoder layer, head]``, as Whisper's does
    for timestamps: a cut model lists the kept ones, by their new numbers."""
    biases: ClassVar[tuple[str, ...]] = ("final_logits_bias",)
    """Buffers with one constant per token that are added to the logits."""
    ahead: ClassVar[int] = 0
    """Positions that the decoder reads beyond its last token, as ProphetNet's does to predict several at once."""
    skeleton_sizes: ClassVar[Mapping[str, Any]] = {
        "d_model": 16,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 12,
        "decoder_ffn_dim": 20,
        "max_position_embeddings": 16,
    }

    def stacks(self, config: PretrainedConfig) -> tuple[Stack, ...]:
        """The stacks of layers, encoder first."""
        raise NotImplementedError

    def whole(self, config: PretrainedConfig) -> tuple[str, ...]:
        """Patterns of the names of groups that this architecture cannot run without: ``("encoder.*.heads", "hidden")``.

        They are found and declared like others, but no plan may cut them.
        """
        return ()

    def head_size(self, config: PretrainedConfig, stack: str) -> int:
        """Rows of the query projection per head; BART's rule is ``d_model // heads``."""
        return int(config.d_model // getattr(config, f"{stack}_attention_heads"))

    def skeleton(self, config: PretrainedConfig) -> PretrainedConfig:
        """A shallow, narrow config of the same structure: two layers a stack, a few units a group."""
        small = copy.deepcopy(config)
        for key, value in {**self.skeleton_sizes, "vocab_size": 24}.items():
            set_key(small, key, value)
        for key in (key for stack in self.stacks(config) for key in stack.each):
            set_key(small, key, get_key(config, key)[:2])
        for token in ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"):
            if isinstance(getattr(small, token, None), int):
                setattr(small, token, min(getattr(small, token), 2))
        return small

    def encoder_inputs(self, config: PretrainedConfig, rows: int) -> dict[str, Tensor]:
        """Random inputs of the encoder, to trace and to check with: token ids of shape [rows, 7], some padded."""
        generator = torch.Generator().manual_seed(0)
        ids = torch.randint(3, config.vocab_size, (rows, 7), generator=generator)
        mask = torch.ones_like(ids)
        mask[1::3, 4:] = 0
        mask[2::3, :2] = 0
        return {"input_ids": ids, "attention_mask": mask}

    def attention_hints(self, config: PretrainedConfig, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the model wants beside the encoder's inputs `batch`, [rows, tokens] each: LED a `global_attention_mask`.

        It joins every batch: in training, evaluation, proofs, latency and predictions. Most architectures want nothing.
        """
        return {}

    def build(self, config: PretrainedConfig, device: str = "meta") -> PreTrainedModel:
        """A model of this config, without reading weights; on `meta` nothing is allocated."""
        with torch.device(device), no_init_weights():
            model: PreTrainedModel = self.fresh(config)
        model.tie_weights()
        return model

    def fresh(self, config: PretrainedConfig) -> PreTrainedModel:
        """A new model of this config: by the Auto class, or by a model class where no Auto class knows the type."""
        make = getattr(self.auto_class, "from_config", self.auto_class)
        model: PreTrainedModel = make(config)
        return model

    def ctranslate2(self, model: PreTrainedModel, loaders: Mapping[str, Any]) -> Any:
        """The one of CTranslate2's `loaders`, which go by the names of configs, that reads `model`; None if none does.

        The model is a copy with equally many heads in all layers of a stack, of a stock class: set on it what the
        loader asks for. A loader of one's own, made from ``ctranslate2.converters.transformers.ModelLoader``, serves
        too; import that package here only. Whatever comes out is held against the model before it is written.
        """
        return loaders.get(type(model.config).__name__)

    def embeddings(self, model: PreTrainedModel) -> set[str]:
        """Names of the parameters that count as embedding: tables outside the layers, looked up by token or place."""
        inside = tuple(f"{stack.path}." for stack in self.stacks(model.config))
        tables = ((name, m) for name, m in model.named_modules() if isinstance(m, nn.Embedding))
        return {f"{name}.weight" for name, _ in tables if not name.startswith(inside)}
