"""Metrics by name: all that are installed, in the order asked for, or one sentence."""

import pytest

from prunekit import plugins
from prunekit.errors import PrunekitError
from prunekit.loading.metrics import open_metric, open_metrics
from prunekit.loading.task import open_task
from prunekit.recipe import TaskSection

BUILT_IN = ["bleu", "cer", "chrf", "exact_match", "per", "rouge1", "rouge2", "rougeL", "wer"]

LENGTH = """
    from prunekit import Metric, hookimpl

    class Length(Metric):
        '''Mean length of the answers, in characters.'''

        fraction = False

        def corpus(self, predictions, references):
            return sum(map(len, predictions)) / len(predictions)

    @hookimpl
    def prunekit_metric():
        return Length
"""


def test_the_built_in_metrics_come_as_plugins_and_know_their_names():
    assert plugins.names(plugins.METRICS) == BUILT_IN
    assert [open_metric(name).name for name in BUILT_IN] == BUILT_IN


@pytest.mark.parametrize("name", BUILT_IN)
def test_perfect_answers_and_silence_are_the_ends_of_the_scale(name):
    text = "en el principio crió Dios los cielos"
    best, worst = (1, 0) if open_metric(name).higher_is_better else (0, 1)
    assert open_metric(name).score([text] * 2, [[text]] * 2) == pytest.approx(best)
    assert open_metric(name).score([""] * 2, [[text]] * 2) == worst


def test_an_unknown_metric_gets_a_hint():
    with pytest.raises(PrunekitError, match="no metric 'exact_mach'; did you mean 'exact_match'"):
        open_metric("exact_mach")
    with pytest.raises(PrunekitError, match="no metric 'meteor'; there are bleu, cer, chrf, exact_match, per, rouge1"):
        open_metric("meteor")


def test_several_metrics_start_with_the_headline():
    assert [found.name for found in open_metrics("chrf, bleu")] == ["chrf", "bleu"]
    with pytest.raises(PrunekitError, match="no metric 'bleu chrf'"):
        open_metrics("bleu chrf")
    with pytest.raises(PrunekitError, match="'bleu,bleu' name one of them twice"):
        open_metrics("bleu,bleu")

    with pytest.raises(PrunekitError, match=r"Say how to score with --metric .* bleu, cer, chrf, exact_match, per"):
        open_metrics(None)


def test_phonemes_are_scored_as_words_are():
    texts = (["R IY D", "a b"], [["R EH D", "R IY D Z"], ["a c"]])
    assert open_metric("per").score(*texts) == open_metric("wer").score(*texts) == 2 / 6


def test_a_metric_of_somebody_elses_is_found_by_its_name(install):
    install("length", LENGTH, group="prunekit.metrics")
    found = open_metrics("length,wer", language="de")
    assert [metric.name for metric in found] == ["length", "wer"]
    assert [metric.language for metric in found] == ["de", "de"]
    assert found[0].score(["abcd", "ab"], [["x"], ["y"]]) == 3


def test_a_broken_metric_is_one_sentence(install):
    module = install("broken", "import nowhere_to_be_found", group="prunekit.metrics")
    sentence = rf"The metric 'broken' of the distribution 'outsider' \({module}.py, line 1\) needs the package"
    with pytest.raises(PrunekitError, match=sentence):
        open_metrics("wer,broken")


def test_the_user_chooses_among_metrics_and_else_the_task(pairs):
    files = {"train": str(pairs), "eval": str(pairs), "source": "a", "target": "b"}

    def chosen(**section):
        return [metric.name for metric in open_task(TaskSection(**section)).metrics]

    assert chosen(**files, metric="wer") == ["wer"]
    assert chosen(**files, metric="bleu,chrf") == ["bleu", "chrf"]
    assert chosen(name="g2p") == ["exact_match", "per"]
    assert chosen(name="g2p", metric="cer") == ["cer"]
    with pytest.raises(PrunekitError, match="no metric 'weer'; did you mean 'wer'"):
        chosen(**files, metric="weer")
    with pytest.raises(PrunekitError, match="Say how to score with --metric"):
        chosen(**files)


def test_metrics_know_the_target_language(pairs):
    files = {"train": str(pairs), "eval": str(pairs), "source": "a", "target": "b", "metric": "bleu"}
    assert open_task(TaskSection(**files, target_language="ja")).metrics[0].language == "ja"
