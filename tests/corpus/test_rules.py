import gzip
import inspect
import itertools
import json
import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filbert.corpus.rules import RULES, Quality, broken_rule, broken_rules
from filbert.errors import SettingsError
from filbert.language import normalise

DEFAULT = Quality()
OFF = Quality(**{field.name: type(getattr(DEFAULT, field.name))() for field in fields(Quality)})

ENGLISH = (
    "The old lighthouse stood at the end of the island, and for many years nobody had lived in it. "
    "Fishermen who passed by on their way home said that a lamp could still be seen there on calm "
    "nights. One day in the autumn a young woman came over from the town with a bag and a dog, "
    "asked for the key, and went to live among the gulls. She repaired the stairs and the roof."
)
CHINESE = (
    "北京是中华人民共和国的首都，也是全国的政治中心、文化中心和国际交往中心。这座城市有三千多年的建城史，"
    "留下了故宫、天坛、颐和园等许多名胜古迹，每年都吸引着来自世界各地的游客。胡同里的老人喜欢在清晨下棋，"
    "孩子们在大树下面跳绳。到了秋天，香山的红叶最美，很多人会带着家人一起去爬山，在山顶上可以看见整个城市。"
    "近年来，地铁线路越来越长，空气也比以前干净了不少。"
)
POEM_ENGLISH = (
    "Tyger Tyger, burning bright,\nIn the forests of the night;\nWhat immortal hand or eye,\n"
    "Could frame thy fearful symmetry?\n\nIn what distant deeps or skies.\n"
    "Burnt the fire of thine eyes?\nOn what wings dare he aspire?\n"
    "What the hand dare seize the fire?"
)
POEM_CHINESE = "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。"
DIALOGUE = (
    "“你来了……”\n他没有回答。\n“外面下雨了吗？”\n“下了，很大……不过快停了。”\n她笑了笑，去倒茶。"
)

KEPT = [
    ("en", ENGLISH),
    ("zh", CHINESE),
    ("en", POEM_ENGLISH),
    ("zh", POEM_CHINESE),
    ("zh", DIALOGUE),
    ("en", "In 1998, 15 of 20 boats came back with less than 3.5 tons of fish each."),
    ("en", "A café in Zürich serves crème brûlée and piñata cakes to naïve façade painters."),
    ("en", ENGLISH + "\nThe map f: X → Y with f(x) = {y | y ∈ S_x} is called a set-valued map."),
    ("zh", "深度学习（deep learning）是机器学习的一个分支，Transformer模型由Google于2017年提出。"),
    ("zh", "朱溫乾符四年參加黃巢軍，反抗朝廷，屢立戰功，很快升爲大將。"),
    ("en", normalise(inspect.getdoc(re) or "")),
    ("fr", "Où êtes-vous né ? À Orléans, près de la forêt, où j'ai été élevé par ma grand-mère."),
]


@pytest.mark.parametrize(("language", "text"), KEPT)
def test_what_is_good_is_kept(language, text):
    assert broken_rule(text, language, DEFAULT) is None


MENU = "Home Products Services About Contact Login Register Cart Help Imprint "
NUMBERS = "1299 34.50 (1856.7) 2024-10-11 and more 1,234 45.6 8,900 17:45 18:30"

DROPPED = [
    ("short", "en", "History."),
    ("short", "zh", "主条目：哲学"),
    ("few_words", "en", "AfghanistanTransnationalIssues and others"),
    ("word_length", "en", "donaudampfschifffahrtsgesellschaft " * 3 + "and so forth"),
    ("word_length", "en", "a b c d e f g h i j k l m n o p"),
    (
        "garbled",
        "zh",
        "鍖椾含锛屾槸涓崕浜烘皯鍏卞拰鍥界殑棣栭兘銆傚煄甯傚緢澶э紝锛氫篃寰堢編銆傚お濂戒簡锛",
    ),
    ("garbled", "zh", CHINESE.encode("gbk").decode("latin-1")),
    ("garbled", "zh", "锟斤拷" * 20),
    ("letters", "en", NUMBERS),
    ("chinese", "zh", "Hello everybody out there using minix, 你好"),
    ("symbols", "en", "#love #sun #beach and the #best of #all days, see you #there #soon"),
    ("symbols", "zh", "#今天#天气#很好#我们#出去#玩吧#好的#知道了#走吧#"),
    (
        "curly_brackets",
        "en",
        "body { color: red } p { margin: 0 } a { b: c } em { d: e } i { f: g }",
    ),
    ("bullets", "en", "• milk and honey\n• bread and butter\n• cheese and wine"),
    ("bullets", "zh", "- 买牛奶和面包还有鸡蛋\n- 给妈妈打电话问好\n- 下午三点去开会"),
    ("ellipsis", "en", "Read about the sea...\nRead about the sun...\nRead on in the next issue."),
    ("ellipsis", "zh", "小伙走进超市以后……\n没想到老板竟然……\n点击阅读全文看后面的故事"),
    ("placeholder", "en", "Our firm. Lorem ipsum dolor sit amet, consectetur adipiscing elit."),
    ("boilerplate", "en", "This site uses cookies. By going on you agree.\nNews of the day"),
    ("boilerplate", "zh", "版权所有 2024 某某科技有限公司 京ICP备12345678号\n公司新闻和动态"),
    ("stop_words", "en", MENU * 6),
    ("stop_words", "zh", "苹果香蕉橘子葡萄西瓜草莓樱桃芒果菠萝柠檬。" * 8),
    ("sentence_ends", "en", ENGLISH.replace(".", "") * 2),
    ("sentence_ends", "zh", CHINESE.replace("。", "，").replace("\n", "") * 2),
    ("repeated_lines", "en", "Buy the new lamp now!\nOnly today in our shop.\n" * 3),
    ("repeated_lines", "zh", "今日特价，欢迎选购本店的商品！\n全场包邮，数量有限。\n" * 3),
    ("repeated_paragraphs", "en", "Buy a lamp.\nToday!\n\nBuy a lamp.\nToday!\n\nNew shop."),
    ("frequent_words", "en", ENGLISH + " the father of" * 40),
    ("frequent_words", "zh", CHINESE + "商业中心" * 30),
    ("repeated_words", "en", ENGLISH + " " + ENGLISH),
    ("repeated_words", "zh", CHINESE + CHINESE),
]


@pytest.mark.parametrize(("rule", "language", "text"), DROPPED)
def test_what_is_bad_is_dropped_by_the_rule_for_it(rule, language, text):
    # Rules that would be first stay out of the way; those for short texts are not looked at here.
    assert rule in _all_broken(text, language)
    off = {name: type(getattr(DEFAULT, name))() for name in RULES[rule].settings}
    assert rule not in _all_broken(text, language, replace(DEFAULT, **off))


def _all_broken(text, language, quality=DEFAULT):
    """The rules that drop it, each taken alone."""
    broken = set()
    for name, rule in RULES.items():
        alone = replace(OFF, **{field: getattr(quality, field) for field in rule.settings})
        found = broken_rule(text, language, alone)
        assert found in (None, name)
        broken.add(found)
    return broken


def test_only_what_a_language_asks_for():
    wanted = replace(DEFAULT, languages=("en", "zh"))
    assert broken_rule(ENGLISH, "en", wanted) is None
    assert broken_rule(ENGLISH, "de", wanted) == "language"
    assert broken_rule("Kurz.", "de", wanted) == "language"  # the first that is broken


def test_too_long():
    assert broken_rule(ENGLISH, "en", replace(DEFAULT, max_characters=100)) == "long"


def test_a_rule_of_one_language_leaves_the_others_alone():
    assert broken_rule(NUMBERS, "en", DEFAULT) == "letters"
    assert broken_rule(NUMBERS, "de", DEFAULT) is None


def test_a_line_may_stand_twice_in_a_long_text():
    assert broken_rule(f"{ENGLISH}\nThe end.\n{POEM_ENGLISH}\nThe end.", "en", DEFAULT) is None


TEXTS = st.one_of(
    st.text(),
    st.text("ab c。\n.的{#…\ud800\U00020000\U0001f600é锟•", max_size=400),
    st.lists(st.sampled_from([ENGLISH, CHINESE, "- a\n", "\n\n", "…\n", "的"]), max_size=6).map(
        "".join
    ),
)


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.sampled_from(["en", "zh", "fr", "und", ""]))
def test_any_text_has_an_answer_and_always_the_same(text, language):
    answer = broken_rule(text, language, DEFAULT)
    assert answer is None or answer in RULES
    assert broken_rule(text, language, DEFAULT) == answer
    assert answer is None or answer in _all_broken(text, language)
    assert broken_rule(text, language, OFF) is None


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(TEXTS.map(normalise), st.sampled_from(["en", "zh", "fr"])), max_size=8))
def test_a_text_is_judged_alike_alone_and_among_others(texts):
    # A rule at a time, so that none hides behind another; each text also beside its own double.
    texts = [*texts, *((text + text, language) for text, language in texts)]
    for rule in RULES.values():
        alone = replace(OFF, **{name: getattr(DEFAULT, name) for name in rule.settings})
        together = broken_rules([text for text, _ in texts], [said for _, said in texts], alone)
        assert together == [broken_rule(text, language, alone) for text, language in texts]


def test_the_batch_is_cut_where_it_is_full():
    texts = [ENGLISH, CHINESE, NUMBERS, "Kurz."] * 700
    languages = ["en", "zh", "en", "de"] * 700
    assert broken_rules(texts, languages, DEFAULT) == [None, None, "letters", "short"] * 700


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["the", "sea", "is", "blue", "old"]), min_size=50, max_size=120))
def test_repetition_is_counted_as_written_plainly(words):
    from filbert.corpus.measures import Measures

    # Between others: runs never reach from one text into the next.
    measures = Measures(["sea is blue", " ".join(words), "the old sea"], chinese=False)
    pairs = list(itertools.pairwise(words))
    most = max(pairs.count(pair) for pair in pairs)
    assert measures.frequent_share()[1] == pytest.approx(2 * most / len(words))
    seen, covered = set(), set()
    for place in range(len(words) - 4):
        run = tuple(words[place : place + 5])
        if run in seen:
            covered.update(range(place, place + 5))
        seen.add(run)
    assert measures.repeated_share()[1] == pytest.approx(len(covered) / len(words))


def test_every_setting_belongs_to_a_rule_and_is_documented():
    named = [name for rule in RULES.values() for name in rule.settings]
    assert sorted(named) == sorted(field.name for field in fields(Quality))
    for name in named:
        assert f"{name}: " in (Quality.__doc__ or "")
    for rule in RULES.values():
        assert rule.english.endswith(".")
        assert rule.chinese.endswith("。")
        assert rule.source


def test_the_page_lists_the_rules_as_they_are():
    page = (Path(__file__).parents[2] / "docs" / "quality-rules.md").read_text(encoding="utf-8")
    english, chinese = page.split("## 质量规则")
    for section, says in ((english, "english"), (chinese, "chinese")):
        rows = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in section.splitlines()
            if line.startswith("| `")
        ]
        assert [row[0].strip("`") for row in rows] == list(RULES)
        for row, rule in zip(rows, RULES.values(), strict=True):
            values = [f"`{name}` = {shown(getattr(DEFAULT, name))}" for name in rule.settings]
            assert row[1] == ", ".join(rule.languages)
            assert row[2] == ", ".join(values)
            assert row[3] == getattr(rule, says)
            if says == "english":
                assert row[4] == rule.source


def shown(value):
    return "–" if value == () else f"{value:,}" if isinstance(value, int) else f"{value:g}"


def test_wikipedia_and_books_pass(shared_data):
    """Of real articles and books, as they are shared beside the project, hardly any is dropped."""
    corpus = shared_data / "corpus"
    texts = {"en": [], "zh": []}
    for path in sorted(corpus.glob("gutenberg-*.txt.gz")):
        texts["en"].append(gzip.decompress(path.read_bytes()).decode())
    wikipedia = gzip.decompress((corpus / "enwiki-extracted-00.txt.gz").read_bytes()).decode()
    texts["en"] += re.findall(r"<doc [^>]*>\n(.*?)</doc>", wikipedia, re.DOTALL)
    for line in gzip.open(corpus / "zhwiki-extracted-00.jsonl.gz", "rt", encoding="utf-8"):
        texts["zh"].append(json.loads(line)["text"])
    for language, found in texts.items():
        long = [normalise(text) for text in found if len(text) > 200]
        kept = [broken_rule(text, language, DEFAULT) is None for text in long]
        assert len(kept) > 30
        assert np.mean(kept) > 0.98


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_words": -5},
        {"max_symbols_share": float("nan")},
        {"max_characters": float("inf")},
        {"min_words": "x"},
        {"languages": "en"},
    ],
)
def test_what_is_no_threshold_is_refused(wrong):
    with pytest.raises(SettingsError, match=f"{next(iter(wrong))}: expected"):
        replace(DEFAULT, **wrong)
