"""Recipe: everything that defines a run, as plain data: read from YAML, overridden by flags, refused if unknown."""

from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator, model_validator

from prunekit._support.recovery_stage import Part, RecoveryStage, refuse_stages
from prunekit._support.section import Section
from prunekit._support.yaml_file import read_yaml


class TaskSection(Section):
    """On what: a task plugin by `name`, or files (JSONL, CSV, Parquet or a `datasets` id) with two text columns."""

    name: str | None = None
    train: str | None = None
    eval: str | None = None
    test: str | None = None
    source: str | None = None
    target: str | None = None
    metric: str | None = None
    prefix: str = ""
    source_length: PositiveInt | None = Field(
        None,
        description="tokens that a source is cut to; when left out what the model has positions for, at most 1024",
    )
    target_length: PositiveInt | None = Field(
        None, description="tokens that a target is cut to, and that an answer has at most; when left out at most 256"
    )
    source_language: str | None = Field(None, description="as the tokenizer calls it: eng_Latn, en_XX, en")
    target_language: str | None = Field(None, description="the language of answers, as the tokenizer calls it")
    source_language_column: str | None = Field(None, description="the column with each row's own source language")
    target_language_column: str | None = Field(None, description="the column with each row's own target language")
    task_column: str | None = Field(
        None, description="the column with what a multilingual speech model does: transcribe or translate"
    )
    skip: bool = Field(False, description="leave out rows that cannot be used; their number is reported")
    limit: PositiveInt | None = Field(None, description="rows that are read of each file or data set, the first ones")
    streaming: bool = Field(False, description="read data sets by their id row by row, without storing them first")


class TrainingSection(Section):
    """How every training of the run goes: the strategy's, the teacher's and the recovery."""

    batch: PositiveInt = 16
    accumulate: PositiveInt = 1
    learning_rate: PositiveFloat = 3e-5
    warmup: float = Field(0.0, ge=0, lt=1, description="share of the steps")
    optimizer: Literal["adamw", "muon"] = "adamw"
    muon_precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="of Muon's iterations; auto: the faster one here, by a few of them"
    )
    clip: PositiveFloat = 1.0
    dropout: float | None = Field(None, ge=0, lt=1, description="rate while training; the model's own when left out")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="of multiplications; auto: the fastest here, by a few steps in each that the hardware has"
    )
    weight_decay: float = Field(0.0, ge=0, description="of weight matrices and embeddings, decoupled")
    schedule: Literal["linear", "cosine", "constant"] = Field("linear", description="of the rate, after the warm-up")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="probability that is spread over all tokens")
    gradient_checkpointing: bool = Field(False, description="compute activations again instead of keeping them")
    encoder_cache: float = Field(
        2.0,
        ge=0,
        allow_inf_nan=False,
        description="GB of memory for the states of a frozen encoder, and of a teacher's",
    )
    workers: NonNegativeInt = Field(0, description="processes that open and pad rows beside the training")
    read_every: PositiveInt | None = Field(None, description="steps between readings of the dev loss, for the log")
    keep_best: bool = Field(False, description="end a training without gates with the weights of its best reading")
    best_by: Literal["loss", "metric"] = Field(
        "loss", description="what makes a reading the best: the dev loss, or the task's headline metric on the dev rows"
    )
    patience: PositiveInt | None = Field(None, description="readings without a new best after which it ends")
    save_every: PositiveInt = Field(500, description="steps between resumable checkpoints")
    log_every: PositiveInt = 20
    report_to: tuple[str, ...] = Field(
        (), description="trackers that are sent the log as well: tensorboard, trackio, mlflow, wandb, ..."
    )

    @field_validator("report_to", mode="before")
    @classmethod
    def _one_name_alone(cls, names: Any) -> Any:
        return (names,) if isinstance(names, str) else names

    @model_validator(mode="after")
    def _reads_what_it_goes_by(self) -> Self:
        if self.read_every is None and (self.keep_best or self.patience):
            raise ValueError("keep_best and patience go by readings on the dev rows; set read_every too")
        if self.best_by == "metric" and not (self.keep_best or self.patience):
            raise ValueError("best_by says what keep_best and patience go by; set one of them too, or leave it out")
        return self


class DistillationWeights(Section):
    """Weights of the loss terms of a training; a term of weight 0 is not computed. See `prunekit.Distillation`.

    A strategy that distils inherits these options: ``class Nash(Strategy, DistillationWeights)``.
    """

    cross_entropy: float = Field(1.0, ge=0, description="weight of the labels")
    logits: float = Field(0.5, ge=0, description="weight of the KL divergence from the teacher's predictions")
    encoder_hidden: float = Field(0.001, ge=0, description="weight of the encoder's hidden states")
    decoder_hidden: float = Field(0.0, ge=0, description="weight of the decoder's hidden states")
    temperature: float = Field(2.0, gt=0, description="temperature of the KL divergence")


class PhaseSection(Section):
    """A training phase that belongs to the recipe, not to the strategy: recovery after the cut, or the teacher's."""

    steps: int = Field(0, ge=0)
    learning_rate: PositiveFloat | None = None
    distillation: DistillationWeights = DistillationWeights(logits=0.0, encoder_hidden=0.0)


class AnswerFilter(Section):
    """Which answers of a model are no targets to train on. Empty ones never are; every one that is dropped is counted.

    Tokens are those of the answer as a target, its end included. Example: ``{least_score: -0.5, most_repeats: 2}``.
    """

    unended: bool = Field(False, description="use answers that the model did not end by itself too")
    least_score: float | None = Field(None, le=0, description="mean log-probability of a token, in nats")
    most_word_errors: float | None = Field(
        None, ge=0, description="share of wrong words against the row's own label, normalized as the task's metrics do"
    )
    least_tokens: PositiveInt | None = None
    most_tokens: PositiveInt | None = None
    least_ratio: PositiveFloat | None = Field(None, description="tokens for one of the source; of audio, for a second")
    most_ratio: PositiveFloat | None = Field(None, description="the same, at most")
    most_repeats: PositiveInt | None = Field(None, description="times that any repeat_length words in a row may come")
    repeat_length: PositiveInt = 3


class RecoverySection(PhaseSection):
    """Fine-tuning after the cut; from random weights it is the control "trained from scratch in the pruned shape"."""

    targets: Literal["labels", "teacher", "both"] = Field(
        "labels", description="of training rows after the teacher's phase; teacher: what the dense model answers"
    )
    filter: AnswerFilter = AnswerFilter()
    weights: Literal["kept", "random"] = Field("kept", description="what it starts from, in the pruned shape")
    frozen: tuple[Part, ...] = Field(
        (), description="parts that stay as they are meanwhile; embedding: the table of tokens, and the head"
    )
    stages: tuple[RecoveryStage, ...] = Field((), description="instead of frozen: stretches under one schedule")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        refuse_stages(self.stages, self.frozen)
        if self.targets == "labels" and self.filter != AnswerFilter():
            raise ValueError("recovery.filter is for the teacher's answers; set recovery.targets to teacher or both")
        return self


class VocabularySection(Section):
    """Which tokens stay; all of them without a corpus."""

    corpus: str | None = Field(None, description="task: what its training rows use; or a text file")
    keep: tuple[str, ...] = Field((), description="pieces, or texts whose pieces stay too")


class BudgetSection(Section):
    """What learning and recovery may spend together; recovery gets as many steps as the strategy left it.

    ``recovery.steps`` gives way to a budget. With both limits the one that is reached first counts.
    """

    examples: PositiveInt | None = Field(None, description="training examples, as often as they are seen")
    cpu_seconds: PositiveFloat | None = Field(None, description="CPU seconds of the process; on a GPU wall seconds")

    @property
    def limited(self) -> bool:
        """Whether there is a limit at all."""
        return self.examples is not None or self.cpu_seconds is not None


AUDIO_FRAME = 0.01
"""Seconds of audio that one unit of `Workload.source` stands for."""


class Workload(Section):
    """One generation to time: rows at once, source tokens, exactly this many new tokens, beams.

    For a model that reads sound, `source` counts hundredths of a second.
    """

    batch: PositiveInt = 1
    source: PositiveInt = 128
    new_tokens: PositiveInt = 32
    beams: PositiveInt = 1

    @property
    def audio_seconds(self) -> float:
        """Seconds of one source, for a model that reads audio. Example: a source of 500 has 5.0 seconds."""
        return self.source * AUDIO_FRAME

    @property
    def spelled(self) -> str:
        """As on the command line. Example: ``batch=1,source=128,new_tokens=32,beams=1``."""
        return ",".join(f"{key}={value}" for key, value in self.model_dump().items())


class TargetSection(Section):
    """How fast the result is to be on one workload; the layers and widths that stay are chosen for it."""

    speedup: float | None = Field(None, gt=1, description="times the dense model's speed; no target when left out")
    workload: Workload = Workload()


class MeasureSection(Section):
    """What is measured at the end. The first workload gives the report's headline."""

    workloads: tuple[Workload, ...] = (Workload(), Workload(batch=8))
    batch: PositiveInt = Field(32, description="examples generated at once when quality is measured")
    least_quality: float = Field(0.01, ge=0, description="a dense model that scores less on dev is refused")
    repeats: PositiveInt = 7
    threads: PositiveInt = 1
    eval_examples: PositiveInt | None = Field(None, description="cap on test examples; all when left out")
    dev_examples: PositiveInt = Field(500, description="examples behind the dev figures during training")
    dense_predictions: str | None = Field(None, description="predictions.jsonl of a run on the same dense model")


class Recipe(Section):
    """One run. `Recipe.load` reads YAML, `dump` writes what was resolved."""

    adapter: str | None = None
    strategy: str = "nash"
    options: dict[str, Any] = Field(default_factory=dict, description="the strategy's own fields")
    plan: str | None = Field(None, description="a plan file to apply instead of asking a strategy")
    model: str | None = Field(None, description="directory or hub id; the built-in example when left out")
    start: str | None = Field(None, description="directory of a finished run, whose pruned model this one starts from")
    trust_remote_code: bool = False
    output: str = "outputs/run"
    seed: int = Field(0, ge=0, lt=2**32, description="of every random draw; NumPy takes no larger one")
    device: str = "auto"
    dtype: Literal["float32", "bfloat16"] = "float32"
    round_to: PositiveInt = 8
    task: TaskSection = TaskSection()
    generation: dict[str, Any] = Field(default_factory=dict, description="overrides of the generation config")
    training: TrainingSection = TrainingSection()
    teacher: PhaseSection = PhaseSection()
    recovery: RecoverySection = RecoverySection()
    vocabulary: VocabularySection = VocabularySection()
    budget: BudgetSection = BudgetSection()
    target: TargetSection = TargetSection()
    measure: MeasureSection = MeasureSection()

    @classmethod
    def load(cls, path: Path | str) -> "Recipe":
        """Read a YAML file."""
        return cls.parse(read_yaml(path))

    def dump(self) -> str:
        """YAML that `load` reads back to an equal recipe."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
