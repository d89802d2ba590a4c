"""What a front says: which model to take, on dev and on test rows, and what to do where there is none."""

from prunekit.front.selection import Aim, select_model
from prunekit.front.sentences import front_notes, front_title, selection_sentences


def said(found, **aim):
    selection = select_model(found.models, Aim(**aim))
    return " ".join(selection_sentences(found.model_copy(update={"selection": selection})))


def test_the_model_to_take_is_told_with_both_figures_and_its_cost(found):
    text = said(found, keep=0.98)
    assert "decoder-3 is the fastest model that keeps 98% on dev: 2.64x ± 0.04 the speed" in text
    assert "98.2% kept (exact_match 65.99%, 95% of resamples 64.8-67.2%)" in text
    assert "It cost 190 CPU-seconds in all." in text
    assert "97.9% kept (exact_match 65.59%" in text
    assert "less than the 98% asked for" in text
    assert "less than" not in said(found, keep=0.97)


def test_where_no_model_will_do_the_nearest_is_named(found):
    assert "No model keeps 99.5% on dev; decoder-6 keeps most: 1.72x" in said(found, keep=0.995)
    assert "Give a larger budget" in said(found, keep=0.995)
    assert "No model is 5 times as fast; decoder-1 is the fastest: 3.90x" in said(found, speedup=5)
    assert "the last step kept 1 decoder layer." in said(found, speedup=5)
    assert "decoder-3 keeps most of the models that are 2 times as fast" in said(found, speedup=2)


def test_rows_that_decided_confirm_nothing(found):
    same = found.model_copy(update={"confirmed": False})
    assert "The test rows are the dev rows" in said(same, keep=0.9)
    assert "6,323 of the same" in front_notes(same)[0]


def test_notes_say_what_is_counted(found):
    assert front_title(found) == "The front of nash on g2p (t5)"
    assert selection_sentences(found) == []
    first, second = front_notes(found)
    assert "on 6,323 dev rows" in first
    assert "with the steps before it" in first
    assert second == "Speeds measured on a processor, 2 cores, torch 2.9."
