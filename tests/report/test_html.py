from prunekit.report.html import differing


def test_words_that_the_other_text_lacks_are_told():
    assert differing("S P IY D", "S P EH D") == (
        [("S P", False), ("IY", True), ("D", False)],
        [("S P", False), ("EH", True), ("D", False)],
    )


def test_what_only_one_text_has_is_told_there():
    assert differing("a b c", "a c") == ([("a", False), ("b", True), ("c", False)], [("a", False), ("c", False)])
    assert differing("", "x y") == ([], [("x y", True)])
    assert differing("same", "same") == ([("same", False)], [("same", False)])
