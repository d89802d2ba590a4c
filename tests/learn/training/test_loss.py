"""The mean loss per token over batches of unequal size, against every row alone."""

import copy

import pytest
import torch

from prunekit.learn.training.loss import loss_of, mean_loss


def parts(batch, *sizes):
    """The batch cut into pieces of these many rows."""
    pieces = {name: tensor.split(sizes) for name, tensor in batch.items()}
    return [{name: piece[n] for name, piece in pieces.items()} for n in range(len(sizes))]


def test_the_loss_is_the_mean_of_log_probabilities_of_real_tokens(every, batch):
    with torch.no_grad():
        scores = every.model(**batch, use_cache=False).logits.log_softmax(-1)
        found = float(loss_of(every.model, {**batch, "index": torch.arange(3)}))
    labels = batch["labels"]
    own = [-float(scores[r, t, labels[r, t]]) for r in range(3) for t in range(labels.shape[1]) if labels[r, t] != -100]
    assert len(own) == 16
    assert found == pytest.approx(sum(own) / len(own), rel=1e-5)


def test_tokens_count_alike_whatever_batch_they_are_in(every, batch):
    """Rows of 6, 4 and 6 tokens: a mean over batches would weigh those of the short row more."""
    whole = mean_loss(every.model, [batch])
    means = [mean_loss(every.model, [part]) for part in parts(batch, 1, 1, 1)]
    assert whole == pytest.approx((6 * means[0] + 4 * means[1] + 6 * means[2]) / 16, rel=1e-5)
    assert whole != pytest.approx(sum(means) / 3, rel=1e-4)
    assert mean_loss(every.model, parts(batch, 2, 1)) == pytest.approx(whole, rel=1e-5)


def test_a_model_in_training_is_measured_without_dropout_and_goes_on_training(case, batch):
    model = copy.deepcopy(case("t5").model).train()
    assert mean_loss(model, [batch]) == mean_loss(case("t5").model, [batch])
    assert model.training
    with pytest.raises(KeyError):
        mean_loss(model, [{"input_ids": batch["input_ids"]}])
    assert model.training


def test_without_any_token_the_loss_is_0(case):
    assert mean_loss(case("t5").model, []) == 0
