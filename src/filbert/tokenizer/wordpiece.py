"""BERT's own kind: WordPiece, built anew from its vocabulary and rules."""

from collections.abc import Mapping, Sequence
from typing import Any

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from filbert.tokenizer.rules import CONTINUING, LONGEST_WORD, Rules, SpecialIds, SpecialTokens


def build_wordpiece(
    pieces: Sequence[str],
    rules: Rules,
    specials: SpecialTokens,
    ids: SpecialIds,
    added: Sequence[Mapping[str, Any]],
) -> tokenizers.Tokenizer:
    """The `tokenizers` object for a vocabulary, in the order of its ids, and its rules."""
    model = tokenizers.Tokenizer(
        models.WordPiece(
            {token: index for index, token in enumerate(pieces)},
            unk_token=specials.unk,
            max_input_chars_per_word=LONGEST_WORD,
            continuing_subword_prefix=CONTINUING,
        )
    )
    model.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=rules.split_chinese,
        strip_accents=rules.strip_accents,
        lowercase=rules.lowercase,
    )
    model.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    model.post_processor = processors.TemplateProcessing(
        single=f"{specials.cls}:0 $A:0 {specials.sep}:0",
        pair=f"{specials.cls}:0 $A:0 {specials.sep}:0 $B:1 {specials.sep}:1",
        special_tokens=[(specials.cls, ids.cls), (specials.sep, ids.sep)],
    )
    model.decoder = decoders.WordPiece(prefix=CONTINUING)
    model.add_special_tokens(list(specials.all))
    for token in added:
        flags = {key: token[key] for key in token if key not in ("id", "content")}
        model.add_tokens([tokenizers.AddedToken(token["content"], **flags)])
    return model
