"""English words as nltk's word_tokenize (3.10.4) cuts them: a list of what it gives."""

import pytest

from filbert.tasks.treebank import treebank_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("ω-force", ["ω-force"]),
        (" nba ", ["nba"]),
        ("u.s.", ["u.s", "."]),
        ("henry a. walsh", ["henry", "a.", "walsh"]),
        ("no.1", ["no.1"]),
        ("end.)", ["end", ".", ")"]),
        ('end." ', ["end", ".", "''"]),
        ("wait...", ["wait", "..."]),
        ("x...y", ["x", "...", "y"]),
        ("…", ["…"]),
        # Numbers and marks.
        ("nt$25,000", ["nt", "$", "25,000"]),
        ("1,000.5 km", ["1,000.5", "km"]),
        ("a,b", ["a", ",", "b"]),
        (",,a", [",", ",a"]),
        ("50%", ["50", "%"]),
        ("c#", ["c", "#"]),
        ("at&t", ["at", "&", "t"]),
        ("co;mma", ["co", ";", "mma"]),
        ("1990–1999", ["1990", "–", "1999"]),
        ("hey! say! jump", ["hey", "!", "say", "!", "jump"]),
        ("[a]{b}<c>(d)", ["[", "a", "]", "{", "b", "}", "<", "c", ">", "(", "d", ")"]),
        # Quotation marks.
        ('"quoted" word', ["``", "quoted", "''", "word"]),
        ('say "hi"', ["say", "``", "hi", "''"]),
        ('""twice""', ["``", "``", "twice", "''", "''"]),
        ("''two''", ["''", "two", "''"]),
        ("a ''b''", ["a", "``", "b", "''"]),
        ("«été»", ["«", "été", "»"]),
        ("‘so", ["‘", "so"]),
        # Apostrophes, and words that are two.
        ("o'neill's", ["o'neill", "'s"]),
        ("can't stop", ["ca", "n't", "stop"]),
        ("couldn't've", ["couldn't", "'ve"]),
        ("he'll we're", ["he", "'ll", "we", "'re"]),
        ("the dogs' bones", ["the", "dogs", "'", "bones"]),
        ("x's' y", ["x", "'s", "'", "y"]),
        ("'s", ["'s"]),
        ("'tis", ["'", "tis"]),
        ("rock 'n' roll", ["rock", "'n", "'", "roll"]),
        ("cannot", ["can", "not"]),
        ("wanna ", ["wan", "na"]),
        ("d'ye more'n gimme gotta", ["d", "'ye", "more", "'n", "gim", "me", "got", "ta"]),
    ],
)
def test_words_are_cut_as_nltk_cuts_them(text: str, words: list[str]) -> None:
    assert treebank_words(text) == words
