"""Counting the words of any number of texts in bounded memory.

Texts are cut at spaces and the raw chunks counted, which is fast; only different chunks are then
put into normal form and cut into words as the tokenizer cuts them. Where the chunks outgrow the
memory they are written to a temporary folder as words, parted by a hash of the word, so that each
part can be added up alone. Counts are Python's whole numbers: they have no largest one.
"""

import contextlib
import re
import shutil
import tempfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from sys import getsizeof

import numpy as np
from tokenizers import normalizers, pre_tokenizers

from filbert.errors import DataError, FilbertError
from filbert.progress import Progress, quiet
from filbert.tokenizer.parallel import settle_forks
from filbert.tokenizer.rules import LONGEST_WORD, Rules

PARTS = 256
"""Into how many files a spill is parted: what is added up at once is 1/256 of all words."""

_BLOCK = 2**20  # characters that are cut at once
_LONGEST_RUN = 2**16  # characters without a place to cut at: no word, and no use to look
_ENTRY = 110  # bytes that a dict needs for one more count, beside the text itself
_LETTERS_AHEAD = 2  # bytes a character, of texts that have not been weighed yet

# Chinese characters, each a word of its own whatever stands beside it; the rest of what BERT takes
# for Chinese is rare and left to the normalizer.
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df"
_HAN_RUN = re.compile(f"[{_HAN}]+")
_CUT = re.compile(rf"[\s!-/:-@\[-`{{-~{_HAN}]")
# BERT's normal form drops these; Python takes them for spaces.
_DROPPED = re.compile("[\x0b\x0c\x1c-\x1f\x85]")
_ASCII_WORD = re.compile(r"[a-zA-Z0-9]+|[!-/:-@\[-`{-~]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class WordCounter:
    """The words of texts as a tokenizer of these rules cuts them, with their numbers.

    Two counters of parts of a corpus are put together by `spill` and `absorb`; the sum is the same
    whatever the parts, their order and the memory were.

    texts, characters  how many were counted
    too_long           words of more than 100 characters, which BERT takes for one [UNK] and which
                       are not counted otherwise; known when the words have been asked for
    passed_over        characters in runs without any place to cut at that are far too long for that
    """

    def __init__(
        self, rules: Rules, *, memory_bytes: int = 2**30, folder: Path | None = None
    ) -> None:
        """Begin with nothing.

        memory_bytes: what the counts may take, about. folder: where to write them beyond that; a
        temporary one of its own, removed in the end, if None.
        """
        settle_forks()
        self.rules = rules
        self.texts = self.characters = self.too_long = self.passed_over = 0
        self._limit = memory_bytes // 2  # the rest is for turning chunks into words
        self._chunks: Counter[str] = Counter()
        self._han = np.zeros(0x2A6E0, np.int64)
        self._weighed = (0, 0)  # chunks, bytes
        self._ahead = 0
        self._folder, self._own = folder, folder is None
        self._folders: list[Path] = []
        self._normalizer = normalizers.BertNormalizer(
            handle_chinese_chars=rules.split_chinese,
            strip_accents=rules.strip_accents,
            lowercase=rules.lowercase,
        )
        self._cut = pre_tokenizers.BertPreTokenizer()

    def __enter__(self) -> "WordCounter":
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the temporary folder."""
        self.close()

    def close(self) -> None:
        """Remove the temporary folder."""
        if self._own and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def add(self, texts: Iterable[str], progress: Progress | None = None) -> None:
        """Count the words of some texts. Raises DataError naming a text that is no Unicode."""
        with (progress or quiet()).stage("counting words", unit="characters") as stage:
            for text in texts:
                self.add_text(text)
                stage.update(self.characters)

    def add_text(self, text: str) -> None:
        """Count the words of one text. Raises DataError where it is no Unicode."""
        self.texts += 1
        try:
            for block in self._blocks(text):
                self._count(block)
        except UnicodeEncodeError:
            raise DataError(_half(text, self.texts)) from None
        self.characters += len(text)

    def spill(self) -> Path | None:
        """Write what is in memory to the folder, which another counter can `absorb`.

        None where there was nothing yet. Raises FilbertError where the disk refuses.
        """
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="filbert-words-"))
        folder = self._folder
        parts: defaultdict[int, list[bytes]] = defaultdict(list)
        for word, count in self._words().items():
            raw = word.encode("utf-8")
            parts[zlib.crc32(raw) % PARTS].append(b"%b %d\n" % (raw, count))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for part, lines in parts.items():
                with _part(folder, part).open("ab") as file:
                    file.write(b"".join(lines))
        except OSError as error:
            raise FilbertError(
                f"{folder}: word counts could not be written: {error.strerror or error}"
            ) from error
        if parts and folder not in self._folders:
            self._folders.append(folder)
        return folder if self._folders else None

    def absorb(self, folder: Path) -> None:
        """Take what another counter with the same rules has spilt; it is read when it is needed."""
        self._folders.append(folder)

    def words(self) -> Iterator[tuple[str, int]]:
        """Every word once, with its number, in no particular order. The counter is empty then."""
        if not self._folders:
            words = self._words()
            while words:
                yield words.popitem()
            return
        self.spill()
        for part in range(PARTS):
            found: defaultdict[bytes, int] = defaultdict(int)
            for folder in self._folders:
                path = _part(folder, part)
                with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                    for line in file:
                        word, _, count = line.rpartition(b" ")
                        found[word] += int(count)
            for word, number in found.items():
                yield word.decode("utf-8"), number

    def _blocks(self, text: str) -> Iterator[str]:
        """A text in pieces that end where no word goes on; nearly always the whole of it."""
        start = 0
        while len(text) - start > _BLOCK:
            at = start + _BLOCK
            cut = _CUT.search(text, at)
            end = cut.start() if cut else len(text)
            if end - at <= _LONGEST_RUN:
                yield text[start:end]
            else:
                # The run begins before; up to its beginning the text is as good as any.
                cuts = list(_CUT.finditer(text, at - 2 * LONGEST_WORD, at))
                yield text[start : cuts[-1].end()] if cuts else text[start:at]
                self.passed_over += end - at
            start = end
        yield text[start:]

    def _count(self, block: str) -> None:
        if not block.isascii():
            block = self._without_chinese(block)
        if _DROPPED.search(block):
            block = _DROPPED.sub("", block)
        self._chunks.update(block.split())
        self._ahead += len(block)
        chunks, size = self._weighed
        new = len(self._chunks) - chunks
        if size + new * _ENTRY + self._ahead * _LETTERS_AHEAD > self._limit:
            self._weigh()

    def _without_chinese(self, block: str) -> str:
        """Count the Chinese characters, and leave a space where they stood."""
        characters = np.frombuffer(block.encode("utf-32-le"), "<u4")
        if self.rules.split_chinese and _HAN_RUN.search(block):
            inside = characters[(characters >= 0x3400) & (characters < len(self._han))]
            self._han += np.bincount(inside, minlength=len(self._han))
            block = _HAN_RUN.sub(" ", block)
        return block

    def _weigh(self) -> None:
        size = sum(map(getsizeof, self._chunks)) + len(self._chunks) * _ENTRY
        self._weighed, self._ahead = (len(self._chunks), size), 0
        if size > self._limit * 3 // 4:
            self.spill()

    def _words(self) -> Counter[str]:
        """The words of the chunks counted so far, which are forgotten."""
        words: Counter[str] = Counter()
        for character in np.flatnonzero(self._han).tolist():
            letter = chr(character)
            if _HAN_RUN.match(letter):  # kana and the like went as chunks
                for word in self._cut_up(letter):
                    words[word] += int(self._han[character])
        self._han[:] = 0
        chunks, self._chunks = self._chunks, Counter()
        self._weighed, self._ahead = (0, 0), 0
        while chunks:
            chunk, count = chunks.popitem()
            for word in self._cut_up(chunk):
                if len(word) <= LONGEST_WORD:
                    words[word] += count
                else:
                    self.too_long += count
        return words

    def _cut_up(self, chunk: str) -> list[str]:
        """A chunk in normal form, cut into words; what takes none of the library takes none."""
        if chunk.isascii() and not _CONTROL.search(chunk):
            chunk = chunk.lower() if self.rules.lowercase else chunk
            return [chunk] if chunk.isalnum() else _ASCII_WORD.findall(chunk)
        text = self._normalizer.normalize_str(chunk)
        return [word for word, _ in self._cut.pre_tokenize_str(text)]


def _part(folder: Path, part: int) -> Path:
    return folder / f"words-{part:03}"


def _half(text: str, number: int) -> str:
    """What to say of a text with half of a surrogate pair in it."""
    at = next(place for place, letter in enumerate(text) if "\ud800" <= letter <= "\udfff")
    return f"text {number}: character {at} is half of a pair: not valid Unicode"
