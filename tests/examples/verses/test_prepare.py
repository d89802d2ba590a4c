"""The verses: markup, alike texts, whole books held out, and the tokenizer."""

import pytest

pytest.importorskip("pysword")


@pytest.fixture(scope="module")
def prepare(load):
    return load("verses/prepare.py")


NOTE = '<note placement="foot"><reference type="annotateRef">1:1 </reference>Or, “<rdg>lamp</rdg>”</note>'


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        (f'A <w lemma="strong:H1">lantern</w>{NOTE}<w lemma="strong:H2">burned</w>. ', "A lantern burned."),
        (f"A lantern{NOTE}, burning", "A lantern, burning"),
        (f"the lantern{NOTE}’s light{NOTE}", "the lantern’s light"),  # noqa: RUF001
        ('<l level="1" sID="g1"/>Look up,<l eID="g1" level="1"/><l level="2" sID="g2"/>walker;', "Look up, walker;"),
        ('<q who="A">“Come,</q>”<w>said</w> she,“come.”', "“Come,” said she,“come.”"),
        ('(<w lemma="x">Pausa</w>.) ¡ <w>Oh</w> luz !', "(Pausa.) ¡Oh luz!"),
        ("<speaker>Friends</speaker> <lg sID='g'/>We wait.", "We wait."),
        ('<title canonical="true" type="psalm">By Ana.</title><lg sID="g"/>Wait!', "By Ana. Wait!"),
        ('Amen.  <chapter eID="X.1"/><div sID="g" type="glossary"/><title>Glossary</title>Abba: father', "Amen."),
        ('díjole<w lemma="x">Ana</w> que 10,000 luces', "díjole Ana que 10,000 luces"),
        ("e\u0301l  va", "\u00e9l va"),
        (NOTE, ""),
    ],
)
def test_markup_leaves_words_with_blanks_where_they_belong(prepare, markup, words):
    assert prepare.plain(markup) == words


@pytest.mark.parametrize(
    ("printed", "softened"),
    [
        ("EN el puerto", "En el puerto"),
        ("Y EL barco de ANA vino", "Y el barco de Ana vino"),
        ("Canto de Ana. ¡OH barco, barco!", "Canto de Ana. ¡Oh barco, barco!"),
        ("Y dijo: EL barco", "Y dijo: El barco"),
        ("A la orilla, Ana", "A la orilla, Ana"),
    ],
)
def test_a_chapter_starts_without_the_printers_capitals(prepare, printed, softened):
    assert prepare.soften(printed, {"el", "en", "oh", "barco"}) == softened


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [(10, 20, True), (10, 21, False), (1, 9, True), (1, 10, False), (21, 10, False), (0, 3, False), (0, 0, False)],
)
def test_texts_are_alike_within_eight_words_or_a_factor_of_two(prepare, left, right, same):
    assert prepare.alike(" ".join("a" * left), " ".join("b" * right)) is same


def test_books_are_held_out_whole_and_once(prepare):
    assert not prepare.DEV & prepare.TEST
    assert [prepare.split_of(book) for book in ("Genesis", "Joel", "Ruth")] == ["train", "dev", "test"]


def test_the_tokenizer_gives_back_what_it_took(prepare):
    texts = ["En el puerto dormía el barco.", "The boat slept in the harbour; the harbour slept too."] * 4
    tokenizer = prepare.build_tokenizer(texts, 60)
    ids = tokenizer(texts[:2])["input_ids"]
    assert [text for text in tokenizer.batch_decode(ids, skip_special_tokens=True)] == texts[:2]
    assert all(row[-1] == tokenizer.eos_token_id == 1 and tokenizer.unk_token_id not in row for row in ids)
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id) == (0, 2)
