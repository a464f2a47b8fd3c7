"""filbert models."""

import argparse
import os
from typing import TYPE_CHECKING

from filbert.cli.options import add_json
from filbert.cli.output import say, say_json

if TYPE_CHECKING:
    from filbert.checkpoint.guide import KnownModel

LANGUAGES = {
    "en": {"en": "English", "zh": "Chinese", "many": "many languages"},
    "zh": {"en": "英文", "zh": "中文", "many": "多语言"},
}
HEADS = {
    "en": "Models to begin with. filbert reads them all, and others of their families: {families}.",
    "zh": "可以从这些模型开始。filbert 全部可读，也可读同族的其他模型：{families}。",
}
LINES = {
    "en": "{languages} · {megabytes:,} MB · {parameters:g} M parameters · "
    "up to {max_tokens:,} tokens · {licence}",
    "zh": "{languages} · {megabytes:,} MB · 参数 {parameters:g} M · 最长 {max_tokens:,} 个词元"
    " · 许可 {licence}",
}
TAILS = {
    "en": "Get one: filbert fetch NAME. This guide is a file of filbert's and calls no network. "
    "Sizes are about; a licence may change: the model's own page has the last word.",
    "zh": "获取：filbert fetch 名称。本指南是 filbert 自带的文件，不访问网络。"
    "大小为约数；许可可能变更，以模型主页为准。",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "--lang", choices=("en", "zh"), help="language of the guide (default: as LANG says)"
    )
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print the guide."""
    from filbert.checkpoint.guide import read_guide

    models = read_guide()
    if options.json:
        for model in models:
            say_json(model)
        return 0
    language = options.lang or _language_of_the_terminal()
    say(HEADS[language].format(families=", ".join(sorted({model.family for model in models}))))
    for model in models:
        say("")
        say(model.name)
        say(f"  {_line(model, language)}")
        say(f"  {model.good_for_zh if language == 'zh' else model.good_for}")
    say("")
    say(TAILS[language])
    return 0


def _line(model: "KnownModel", language: str) -> str:
    names = LANGUAGES[language]
    return LINES[language].format(
        languages=", ".join(names[name] for name in model.languages),
        megabytes=model.megabytes,
        parameters=model.parameters,
        max_tokens=model.max_tokens,
        licence=model.licence,
    )


def _language_of_the_terminal() -> str:
    """As POSIX has it: the first of these that is set decides."""
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(variable):
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"
