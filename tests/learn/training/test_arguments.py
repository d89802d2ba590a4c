"""The trainer's arguments: what the recipe says is what transformers is told."""

from prunekit.learn.training.arguments import training_arguments
from prunekit.recipe import TrainingSection


def test_the_recipe_reaches_the_trainer(tmp_path):
    training = TrainingSection(
        batch=3, accumulate=2, read_every=7, label_smoothing=0.1, gradient_checkpointing=True, workers=2,
        precision="bf16",
    )  # fmt: skip
    found = training_arguments(training, tmp_path, 11, 0.5, 4, "cpu")
    assert (found.max_steps, found.learning_rate, found.seed) == (11, 0.5, 4)
    assert (found.per_device_train_batch_size, found.gradient_accumulation_steps) == (3, 2)
    assert (found.eval_strategy, found.eval_steps) == ("steps", 7)
    assert (found.label_smoothing_factor, found.dataloader_num_workers) == (0.1, 2)
    assert getattr(found, "activation_checkpointing", None) or found.gradient_checkpointing
    assert (found.bf16, found.fp16, found.use_cpu, found.report_to) == (True, False, True, [])


def test_nothing_is_read_or_smoothed_unless_it_is_asked_for(tmp_path):
    found = training_arguments(TrainingSection(), tmp_path, 1, 0.5, 0, "cpu")
    assert (found.eval_strategy, found.label_smoothing_factor) == ("no", 0.0)
    assert (found.bf16, found.fp16) == (False, False)
