"""The report page's own words, and the function words that one of its tables leaves out."""

from filbert.errors import DataError

ENGLISH = {
    "title": "Corpus {name}",
    "lead": "What was read, what was left out and why, and what stays. The same numbers stand in "
    "corpus.json beside this page.",
    "overview": "Overview",
    "documents": "documents",
    "sentences": "sentences",
    "characters": "characters",
    "words": "words",
    "read": "texts read",
    "dropped": "dropped by rules",
    "duplicate_texts": "duplicates",
    "problem_count": "problems",
    "estimated": "Words were counted in {share} of the characters and scaled up.",
    "languages": "Languages",
    "language": "language",
    "share": "share of characters",
    "lengths": "Lengths",
    "lengths_title": "Documents by length",
    "lengths_value": "characters in a document → documents",
    "and_more": "{low} and more",
    "sources": "Sources",
    "kind": "kind",
    "files": "files",
    "bytes": "bytes stored",
    "kept": "pass the rules",
    "rules": "Quality rules",
    "rules_text": "Rules are tried in this order; a text counts for the first one that drops it. "
    "Thresholds are settings; 0 or none turns a rule off.",
    "rule": "rule",
    "drops": "what it drops",
    "threshold": "threshold",
    "count": "texts dropped",
    "samples": "{rule}: {shown} of {count}",
    "text": "text",
    "place": "where",
    "below": "Places are given below {folder}",
    "no_drops": "No rule dropped anything.",
    "problems": "Problems",
    "problems_text": "What could not be read was passed over (lost), or kept with a remark (kept). "
    "The file problems.jsonl beside this page names all sources that it was found in.",
    "no_problems": "Everything could be read.",
    "problem": "problem",
    "is_lost": "lost",
    "is_kept": "kept",
    "message": "expected / got",
    "duplicates": "Duplicates",
    "duplicates_text": "The first of equal or nearly equal texts stays. Near: at least {threshold} "
    "of their runs of five characters are the same, by estimate.",
    "no_search": "Duplicates were not looked for.",
    "no_duplicates": "There are none.",
    "cluster_size": "texts in a cluster",
    "clusters": "clusters",
    "duplicate_counts": "{exact} texts were left out as equal, {near} as nearly equal.",
    "alike": "{size} texts alike: the first stays, {shown} of the others",
    "frequent": "Most frequent words",
    "frequent_en": "English",
    "frequent_zh": "Chinese",
    "frequent_text": "In lower case; counted in the documents that stay.",
    "rank": "rank",
    "all_words": "all words",
    "content_words": "without function words",
    "times": "times",
    "none": "none",
    "kind_documents": "documents from Python",
}
CHINESE = {
    "title": "语料库 {name}",
    "lead": "读取了什么，舍弃了什么、为什么，留下了什么。同样的数字也在本页旁的 corpus.json 中。",
    "overview": "概览",
    "documents": "文档",
    "sentences": "句子",
    "characters": "字符",
    "words": "词",
    "read": "读取的文本",
    "dropped": "规则舍弃",
    "duplicate_texts": "重复",
    "problem_count": "问题",
    "estimated": "词数在 {share} 的字符中统计，再按比例推算。",
    "languages": "语言",
    "language": "语言",
    "share": "占字符的比例",
    "lengths": "长度",
    "lengths_title": "按长度统计的文档数",
    "lengths_value": "每篇文档的字符数 → 文档数",
    "and_more": "{low} 及以上",
    "sources": "来源",
    "kind": "类型",
    "files": "文件",
    "bytes": "存储字节",
    "kept": "通过规则",
    "rules": "质量规则",
    "rules_text": "规则依此顺序检查，文本计入第一条舍弃它的规则。"
    "阈值可以设置；0 或空表示关闭该规则。",
    "rule": "规则",
    "drops": "舍弃什么",
    "threshold": "阈值",
    "count": "舍弃的文本",
    "samples": "{rule}：{count} 篇中的 {shown} 篇",
    "text": "文本",
    "place": "位置",
    "below": "位置均相对于 {folder}",
    "no_drops": "没有规则舍弃任何文本。",
    "problems": "问题",
    "problems_text": "无法读取的内容被跳过（丢失），或保留并记录（保留）。"
    "所有涉及的来源见本页旁边的 problems.jsonl。",
    "no_problems": "全部内容都能读取。",
    "problem": "问题",
    "is_lost": "丢失",
    "is_kept": "保留",
    "message": "期望 / 实际",
    "duplicates": "重复",
    "duplicates_text": "相同或近似的文本只保留第一篇。"
    "近似：据估计，至少 {threshold} 的五字符片段相同。",
    "no_search": "没有查找重复文本。",
    "no_duplicates": "没有重复文本。",
    "cluster_size": "每组的文本数",
    "clusters": "组数",
    "duplicate_counts": "因完全相同舍弃 {exact} 篇，因近似舍弃 {near} 篇。",
    "alike": "{size} 篇相似：第一篇保留，其余中的 {shown} 篇",
    "frequent": "高频词",
    "frequent_en": "英文",
    "frequent_zh": "中文",
    "frequent_text": "一律小写；在保留的文档中统计。",
    "rank": "名次",
    "all_words": "全部词",
    "content_words": "不含虚词",
    "times": "次数",
    "none": "无",
    "kind_documents": "Python 给出的文档",
}
PAGE_WORDS = {"en": ENGLISH, "zh": CHINESE}

FUNCTION_WORDS = {
    "en": frozenset(
        """
        a about above after again all also although am among an and another any are around as at be
        became because been before being between both but by can could did do does down during each
        either even ever every few for from further had has have having he her here hers him his how
        however i if in into is it its itself just later less like many may me might more most much
        must my never no nor not now of off often on once one only or other our out over own per
        rather same several shall she should since so some still such than that the their them then
        there these they this those though through thus to too two under until up upon us very was
        we well were what when where whether which while who whom whose why will with within without
        would yet you your
        """.split()
    ),
    "zh": frozenset(
        """
        的 了 是 在 和 与 及 或 也 都 就 而 但 并 又 还 不 没 没有 有 为 以 于 由 从 到 对 对于
        被 把 将 向 让 使 给 跟 比 因 因为 所以 如果 虽然 但是 而且 并且 以及 或者 其 其他 其中
        之 这 那 这个 那个 这些 那些 此 该 各 每 某 他 她 它 我 你 您 他们 她们 它们 我们 你们
        自己 一 一个 一些 一种 二 两 三 个 种 名 位 次 年 月 日 时 等 等等 中 上 下 里 内 外 前
        后 之后 之前 以后 以前 间 之间 来 去 会 能 可 可以 可能 要 应 应该 需 已 已经 曾 曾经 正
        正在 再 更 最 很 较 非常 十分 只 仅 才 却 所 者 得 地 着 过 吗 呢 吧 啊 即 若 则 则是 便
        亦 乃 且 如 如此 例如 同 同时 后来 然后 当 当时 时候 什么 怎么 哪 谁 多 少 大 小 說 说
        人 並 與 於 為 這 個 對 從 來 後 時 會 沒有 他們 們
        """.split()
    ),
}
"""What stands in every text and says nothing of its subject."""


def page_words(language: str) -> dict[str, str]:
    """The words of a page in English or Chinese."""
    if language not in PAGE_WORDS:
        raise DataError(f"language of a report: expected en or zh, got {language!r}")
    return PAGE_WORDS[language]
