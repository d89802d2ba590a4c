"""Every metric that comes with prunekit, through the suite that outsiders use."""

from prunekit.data.metrics.bleu import Bleu
from prunekit.data.metrics.character_errors import CharacterErrorRate
from prunekit.data.metrics.chrf import Chrf
from prunekit.data.metrics.exact_match import ExactMatch
from prunekit.data.metrics.rouge import Rouge
from prunekit.data.metrics.word_errors import WordErrorRate
from prunekit.testing import MetricSuite


class TestExactMatch(MetricSuite):
    metric = ExactMatch("exact_match")


class TestWer(MetricSuite):
    metric = WordErrorRate("wer")


class TestPer(MetricSuite):
    metric = WordErrorRate("per")
    texts = ("S P IY D", "R EH D", "F OW N AH M Z", "AH")


class TestCer(MetricSuite):
    metric = CharacterErrorRate("cer")


class TestBleu(MetricSuite):
    metric = Bleu("bleu")


class TestChrf(MetricSuite):
    metric = Chrf("chrf")


class TestRouge1(MetricSuite):
    metric = Rouge("rouge1")


class TestRouge2(MetricSuite):
    metric = Rouge("rouge2")


class TestRougeL(MetricSuite):
    metric = Rouge("rougeL")


class TestWerOfNormalizedTexts(MetricSuite):
    metric = WordErrorRate("wer").after(lambda text: text.lower().replace(".", ""))
    texts = ("The CAT sat.", "A dog ran", "Birds sing.")
