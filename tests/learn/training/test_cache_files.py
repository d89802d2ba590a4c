"""The rows of a cache, written and read again: the same numbers, each once."""

import copy
import dataclasses

import pytest
import torch

from prunekit.learn.training import phase_trainer
from prunekit.learn.training.cache_files import CacheFiles
from prunekit.learn.training.distillation import Distillation
from prunekit.learn.training.encoder_cache import EncoderCache
from prunekit.learn.training.phase import TrainingPhase
from prunekit.learn.training.phase_trainer import PhaseTrainer
from prunekit.learn.training.teacher import Teacher, TeacherCache


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[key]) for key, value in one.items())


def test_rows_come_back_as_they_were_with_their_bytes(tmp_path):
    states, predictions = EncoderCache(), TeacherCache()
    for row in (3, 0, 2**40):
        states.add(row, torch.randn(1 + row % 4, 5))
        predictions.add((row, 0.1 + row), torch.randn(2, 7).half())
    for number, cache in enumerate((states, predictions)):
        CacheFiles(cache, tmp_path / str(number)).save()  # they were there before: an earlier training saved them
        assert not (tmp_path / str(number)).exists()
        files = CacheFiles(type(cache)(), tmp_path / str(number))
        for key, value in cache.states.items():
            files.cache.add(key, value)
            files.save()
            files.save()
        assert len(list((tmp_path / str(number)).iterdir())) == 3
        again = type(cache)()
        CacheFiles(again, tmp_path / str(number))
        assert same(again.states, cache.states)
        assert again.bytes == cache.bytes
        assert all(value.dtype == cache.states[key].dtype for key, value in again.states.items())


def test_what_was_read_is_not_written_again(tmp_path):
    first = CacheFiles(EncoderCache(), tmp_path)
    first.cache.add(1, torch.ones(2, 3))
    first.save()
    second = CacheFiles(EncoderCache(), tmp_path)
    second.save()
    second.cache.add(2, torch.ones(1, 3))
    second.save()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["000000.safetensors", "000001.safetensors"]
    assert set(CacheFiles(EncoderCache(), tmp_path).cache.states) == {1, 2}


def test_a_training_that_resumes_knows_no_rows_of_later_steps(bench, tmp_path, monkeypatch):
    """A kill after the last step, whose rows are in files already, and before the result is written."""
    training = bench.context.training.model_copy(update={"save_every": 2})
    context = dataclasses.replace(bench.context, training=training, directory=tmp_path / "w", log=tmp_path / "log")
    phase = TrainingPhase(Distillation(logits=1.0, encoder_hidden=0.0), steps=3, frozen_stacks=("encoder",))
    known = []

    def train():
        teacher = Teacher(bench.teacher.model, bench.teacher.layers)
        switches = []
        usual = PhaseTrainer.fit

        def fit(self, *args):
            switches.append(args[-1])
            known.append(len(teacher.cache.states))
            usual(self, *args)

        with monkeypatch.context() as patched:
            patched.setattr(PhaseTrainer, "fit", fit)
            patched.setattr(phase_trainer, "save_phase", kill)
            with pytest.raises(KeyboardInterrupt):
                PhaseTrainer(copy.deepcopy(bench.model), bench.groups, context, teacher).train(phase)
        return len(switches[0].cache.states), len(teacher.cache.states)

    def kill(*_):
        raise KeyboardInterrupt

    batch = bench.context.training.batch
    assert train() == (3 * batch, 3 * batch)
    assert train() == (3 * batch, 3 * batch)
    assert known == [0, 2 * batch]
