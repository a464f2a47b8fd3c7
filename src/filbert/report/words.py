"""The page's own words, per language of the page."""

from filbert.errors import DataError, did_you_mean

ENGLISH = {
    "contents": "Contents",
    "table": "Table",
    "chart": "Chart",
    "matrix": "Confusion matrix",
    "truth": "true",
    "predicted": "predicted",
    "recall": "recall",
    "precision": "precision",
    "wrong": "wrong",
    "not_listed": "true label, not in the list",
    "show_all": "show all {count} characters",
    "more_rows": "The first {shown} of {count} rows are shown.",
    "more_samples": "The first {shown} of {count} samples are shown.",
    "nothing": "Nothing to show here yet.",
    "not_drawn": "{count} values that are not finite numbers are left out.",
    "smoothed": "Faint: every value. Bold: running mean.",
    "thinned": "Of a long series the highs and lows are drawn, not every point.",
    "some_points": "{shown} of the points are drawn, evenly chosen.",
    "more_characters": "The first {shown} of {count} characters are shown.",
    "empty": "(empty)",
    "mark_right": "right",
    "mark_wrong": "wrong",
    "mark_missed": "missed",
    "last": "last",
    "matrix_key": "Depth of colour is the share of the row. Blue: right; orange: mistaken. "
    "In the corner: accuracy.",
    "layer": "Layer",
    "attention_head": "Attention head",
    "mean": "mean",
    "received": "How much attention each token receives on average. "
    "Choose a token to see what it looks at.",
    "received_static": "How much attention each token receives, "
    "as the mean over all layers and attention heads.",
    "looks_at": "looks at",
    "map_key": "Rows look, columns are looked at; each row adds up to 100 %.",
    "foot": "Made with filbert. This page is one file and loads nothing from any network.",
}
CHINESE = {
    "contents": "目录",
    "table": "表格",
    "chart": "图表",
    "matrix": "混淆矩阵",
    "truth": "真实",
    "predicted": "预测",
    "recall": "召回率",
    "precision": "精确率",
    "wrong": "错误",
    "not_listed": "真实标签，不在列表中",
    "show_all": "显示全部 {count} 个字符",
    "more_rows": "共 {count} 行，此处显示前 {shown} 行。",
    "more_samples": "共 {count} 个样本，此处显示前 {shown} 个。",
    "nothing": "暂无内容。",
    "not_drawn": "有 {count} 个数值不是有限数，未画出。",
    "smoothed": "浅色：每个数值；深色：滑动平均。",
    "thinned": "较长的曲线只画出各段的最高值和最低值。",
    "some_points": "均匀选取 {shown} 个点画出。",
    "more_characters": "共 {count} 个字符，此处显示前 {shown} 个。",
    "empty": "（空）",
    "mark_right": "正确",
    "mark_wrong": "错误",
    "mark_missed": "遗漏",
    "last": "最终",
    "matrix_key": "颜色深浅表示在该行中所占的比例。蓝色：正确；橙色：混淆。右下角：准确率。",
    "layer": "层",
    "attention_head": "注意力头",
    "mean": "平均",
    "received": "每个词元平均受到多少关注。点选一个词元，看它关注哪里。",
    "received_static": "每个词元受到多少关注（对所有层和注意力头取平均）。",
    "looks_at": "关注",
    "map_key": "行是发出关注的词元，列是被关注的词元；每行之和为 100 %。",
    "foot": "由 filbert 生成。本页是单个文件，不从网络加载任何内容。",
}
LANGUAGES = {"en": ENGLISH, "zh": CHINESE}


def words_for(language: str) -> dict[str, str]:
    """The page's words in a language.

    Args:
        language: "en" or "zh".

    Returns:
        The words by their keys.

    Raises:
        DataError: the language is not known.
    """
    try:
        return LANGUAGES[language]
    except (KeyError, TypeError):
        known = ", ".join(sorted(LANGUAGES))
        raise DataError(
            f"language of a report: expected one of {known}, got {language!r}"
            f"{did_you_mean(str(language), LANGUAGES)}"
        ) from None
