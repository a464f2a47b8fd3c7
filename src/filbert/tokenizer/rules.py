"""What a vocabulary alone does not say: special tokens, casing, accents, Chinese characters."""

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass

from filbert.errors import CheckpointError

CONTINUING = "##"
UNUSED = ("[unused", "<unused", "madeupword")  # places that vocabularies keep free
LONGEST_WORD = 100  # characters; a longer word is one [UNK], as in BERT's own code


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """How the five special tokens are written."""

    pad: str = "[PAD]"
    unk: str = "[UNK]"
    cls: str = "[CLS]"
    sep: str = "[SEP]"
    mask: str = "[MASK]"

    @property
    def all(self) -> tuple[str, ...]:
        """The five, in the order pad, unk, cls, sep, mask."""
        return astuple(self)


@dataclass(frozen=True, slots=True)
class SpecialIds:
    """The token ids of the five special tokens."""

    pad: int
    unk: int
    cls: int
    sep: int
    mask: int

    @classmethod
    def find(cls, specials: SpecialTokens, ids: Mapping[str, int], where: str) -> "SpecialIds":
        """Look the special tokens up.

        where: what the message names as the place of the vocabulary.
        Raises CheckpointError naming the ones that the vocabulary lacks.
        """
        lacking = [token for token in specials.all if token not in ids]
        if lacking:
            raise CheckpointError(
                f"{where}: the vocabulary of {len(ids):,} tokens lacks the special "
                f"token{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}"
            )
        return cls(*(ids[token] for token in specials.all))


@dataclass(frozen=True, slots=True)
class Rules:
    """How a text is changed before its words are looked up.

    lowercase      letters become lower case
    strip_accents  é becomes e
    split_chinese  every Chinese character is a word of its own
    """

    lowercase: bool = True
    strip_accents: bool = True
    split_chinese: bool = True


def looks_cased(tokens: Iterable[str], specials: SpecialTokens) -> bool:
    """Whether a vocabulary distinguishes upper and lower case, judged by its pieces alone.

    True if any piece has an upper-case letter, `[…]` and `<…>` (special and unused slots) aside:
    a vocabulary that was learnt from lower-cased text holds none. A vocabulary without upper case
    cannot spell a capital letter, so reading it as lower-cased never loses a word.
    """
    aside = set(specials.all)
    return any(
        token != token.lower() and token not in aside and token[:1] + token[-1:] not in ("[]", "<>")
        for token in tokens
    )
