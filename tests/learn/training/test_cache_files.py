"""The rows of a cache, written and read again: the same numbers, each once."""

import torch

from prunekit.learn.training.cache_files import CacheFiles
from prunekit.learn.training.encoder_cache import EncoderCache
from prunekit.learn.training.teacher import TeacherCache


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
