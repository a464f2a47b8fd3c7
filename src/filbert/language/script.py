"""Which script a text is written in."""

import re

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_OTHER_WORD = re.compile("[^\\W\\d_\u2e80-\u9fff\uf900-\ufaff\uac00-\ud7af\U00020000-\U0003ffff]+")
# Kana and hangul: Chinese characters beside them are Japanese or Korean.
_NEIGHBOURS = re.compile("[\u3041-\u30ff\u31f0-\u31ff\uac00-\ud7af]")


def is_chinese(text: str) -> bool:
    """Whether the text is mostly Chinese: more Chinese characters than words of other scripts.

    Words, not letters, are counted against them, so that an English name or two leaves a Chinese
    sentence Chinese. A text without letters (numbers, signs, nothing) is not Chinese.
    """
    if text.isascii():
        return False
    han = len("".join(_HAN.findall(text)))
    return han > 0 and han > len(_OTHER_WORD.findall(text)) + len(_NEIGHBOURS.findall(text))
