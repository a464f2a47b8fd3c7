"""The page's own words, per language of the page."""

from filbert.errors import DataError, did_you_mean

ENGLISH = {
    "title": "What the model {name} does with a text",
    "lead": "Every number on this page was computed by this model from this text. Choose a layer, "
    "an attention head and two tokens in the bar; every picture follows.",
    "no_script": "The pictures of this page need its script, and scripts are switched off.",
    "cut": "The text was too long: {count} tokens at its end were left out, and the model has not "
    "read them.",
    "contents": "Contents",
    "choice": "What is shown",
    "layer": "Layer",
    "head": "Attention head",
    "row": "Token",
    "column": "looks at",
    "tokens": "tokens",
    "layers": "layers",
    "heads": "attention heads in each layer",
    "width": "width of a token's vector",
    "head_width": "width of an attention head",
    "text_title": "The text and its tokens",
    "text_says": "The model reads no letters and no words, but tokens of its vocabulary. A word "
    "that is not in there is cut into pieces. Point at a token to see its characters in the text.",
    "first_text": "Text",
    "second_text": "Second text",
    "token_line": "Token {place}: id {id}, characters {start} to {end} of {which}, segment "
    "{segment}",
    "added_line": "Token {place}: id {id}, added by the tokenizer, segment {segment}",
    "of_first": "the text",
    "of_second": "the second text",
    "all_tokens": "All {count} tokens as a table",
    "place": "Place",
    "token": "Token",
    "id": "Id",
    "segment": "Segment",
    "characters": "Characters",
    "in_text": "In the text",
    "no_segments": "This model has no embeddings of segments: it does not see these numbers.",
    "fill_title": "What it would fill in",
    "fill_says": "The five likeliest tokens in each place that the text hides ({mask}), with their "
    "probabilities.",
    "turn_says": "The text hides nothing, so here each token was replaced by {mask} in turn, alone,"
    " and the model asked what stood there.",
    "turn_first": "Only the first {count} tokens were tried.",
    "right": "Its probability",
    "guesses": "The likeliest",
    "nothing_hidden": "There is no token here that could be hidden.",
    "sum_title": "What the first layer reads: a sum",
    "sum_says": "Each token's vector is the sum of {parts}, number by number; then it is "
    "normalised: its mean is subtracted, it is divided by its deviation, and each number gets a "
    "learned weight and bias.",
    "part_tokens": "token",
    "part_positions": "position",
    "part_segments": "segment",
    "part_sum": "sum",
    "part_norm": "normalised",
    "and": " + ",
    "only_tokens": "its token's vector alone",
    "rotary_says": "This model adds no vector for the position. It is rotary: queries and keys are "
    "turned by an angle that grows with their place before they are multiplied.",
    "number": "Number of the vector",
    "strip": "{name}: {count} numbers, length {length}, from {low} to {high}",
    "length": "length",
    "sum_line": "Number {number}: {terms} = {sum}; normalised {norm}. Mean of the sum {mean}, "
    "deviation {deviation}.",
    "maps_title": "Where all the attention heads look",
    "maps_says": "Rows are layers, columns are attention heads. In a map each row is a token that "
    "looks, each column a token that is looked at; a row adds up to 100 %. Choose a map to enlarge "
    "it; the arrow keys move.",
    "grid": "All attention heads: {layers} layers of {heads}",
    "map_name": "Layer {layer}, attention head {head}",
    "map_help": "Arrow keys move the chosen cell, Home and End go to the ends of its row.",
    "looks_at": "looks at",
    "window": "A local layer: a token sees {window} neighbours on each side.",
    "scale": "The shade is the root of the share.",
    "formula_title": "One cell, worked through",
    "formula_says": "Each attention head turns a token's vector into three short ones: a query q "
    "(what it looks for), a key k (what it can be found by) and a value v (what it passes on).",
    "rotary_keys": "Here q and k are shown after they were turned by their places.",
    "step_product": "Query times key",
    "product_line": "The sum of the {count} products:",
    "largest": "The largest of them:",
    "rest": "all others",
    "number_short": "number {number}",
    "step_scale": "Divided by the root of the width",
    "step_softmax": "Softmax: shares of the row",
    "softmax_line": "The same for all {count} tokens that it can see; each score as a power of e, "
    "divided by the sum of all:",
    "outside": "This token lies outside of the window: it has no score here, and its share is 0.",
    "score": "Score",
    "power": "e to the score",
    "share": "Share",
    "others": "the other {count} tokens",
    "model_says": "by the model itself {share}",
    "step_value": "Shares times values",
    "value_line": "What the token takes along from this attention head: the sum of all values, "
    "each times its share. The largest number of it, number {number}, is",
    "query_of": "q of {token}",
    "key_of": "k of {token}",
    "product_of": "q · k, number by number",
    "value_of": "v of {token}",
    "weighted_of": "{share} of it",
    "output_of": "the sum over all tokens",
    "all_numbers": "All numbers as a table",
    "measures_title": "What each attention head looks for",
    "measures_says": "Means over all tokens of this text. A head that looked at all {count} tokens "
    "alike would look {even} tokens far on average.",
    "measure": "Measure",
    "distance": "mean distance, tokens",
    "previous": "at the token before",
    "next": "at the token after",
    "itself": "at itself",
    "first": "at {cls}",
    "separators": "at {sep}",
    "farthest": "Look farthest",
    "most_previous": "Most at the token before",
    "most_next": "Most at the token after",
    "most_itself": "Most at themselves",
    "most_first": "Most at {cls}",
    "most_separators": "Most at {sep}",
    "head_short": "layer {layer}, head {head}",
    "tokens_far": "{count} tokens",
    "rollout_title": "Through all layers: attention rollout",
    "rollout_says": "From which tokens a vector comes, if attention alone mixed them: in each "
    "layer the mean of all attention heads, half of it the token itself, multiplied from layer to "
    "layer (Abnar and Zuidema, 2020).",
    "after_layer": "After layer",
    "rollout_line": "The vector of {token} after layer {layer}:",
    "rollout_name": "Attention rollout after layer {layer}",
    "exact_title": "How exact these numbers are",
    "exact_says": "To keep the page small, numbers were rounded: shares of attention to {shares} "
    "bits (of their root), queries and keys to {match} bits, values and embeddings to {value} bits,"
    " each vector with a step of its own. Against the model's own numbers, a share on this page is "
    "off by at most {share_error}, a score reckoned from the rounded queries and keys by at most "
    "{score_error} (in most attention heads by less). Only digits that are true are shown.",
    "foot": "Made with filbert. This page is one file and loads nothing from any network.",
}
CHINESE = {
    "title": "模型 {name} 如何处理一段文本",
    "lead": "本页的每个数字都由该模型从这段文本算出。在选择栏中选定层、注意力头和两个词元，"
    "所有图都会随之变化。",
    "no_script": "本页的图需要运行脚本，而脚本已被关闭。",
    "cut": "文本过长：末尾的 {count} 个词元被略去，模型没有读到它们。",
    "contents": "目录",
    "choice": "当前显示",
    "layer": "层",
    "head": "注意力头",
    "row": "词元",
    "column": "关注",
    "tokens": "词元数",
    "layers": "层数",
    "heads": "每层的注意力头数",
    "width": "词元向量的宽度",
    "head_width": "每个注意力头的宽度",
    "text_title": "文本与词元",
    "text_says": "模型读的不是字母，也不是词，而是词表中的词元。词表里没有的词会被切成几片。"
    "指向一个词元，即可看到它在原文中的字符。",
    "first_text": "文本",
    "second_text": "第二段文本",
    "token_line": "第 {place} 个词元：编号 {id}，{which}的第 {start} 至 {end} 个字符，"
    "片段 {segment}",
    "added_line": "第 {place} 个词元：编号 {id}，由分词器添加，片段 {segment}",
    "of_first": "文本",
    "of_second": "第二段文本",
    "all_tokens": "以表格列出全部 {count} 个词元",
    "place": "位置",
    "token": "词元",
    "id": "编号",
    "segment": "片段",
    "characters": "字符",
    "in_text": "原文",
    "no_segments": "该模型没有片段嵌入，看不到这一列的数字。",
    "fill_title": "它会填什么",
    "fill_says": "文本中每个被遮住的位置（{mask}）最可能的五个词元及其概率。",
    "turn_says": "文本中没有遮住任何词元，因此这里依次把每个词元单独换成 {mask}，"
    "再问模型那里原来是什么。",
    "turn_first": "只试了前 {count} 个词元。",
    "right": "原词元的概率",
    "guesses": "最可能的词元",
    "nothing_hidden": "这里没有可以遮住的词元。",
    "sum_title": "第一层读到的：一个和",
    "sum_says": "每个词元的向量是{parts}逐个数相加的和；然后归一化：减去均值，除以标准差，"
    "每个数再乘以学到的权重并加上偏置。",
    "part_tokens": "词元",
    "part_positions": "位置",
    "part_segments": "片段",
    "part_sum": "和",
    "part_norm": "归一化后",
    "and": " + ",
    "only_tokens": "词元自身的向量",
    "rotary_says": "该模型不加位置向量，而是使用旋转位置编码：查询与键在相乘之前，"
    "先按其位置旋转一个角度。",
    "number": "向量中的第几个数",
    "strip": "{name}：{count} 个数，长度 {length}，从 {low} 到 {high}",
    "length": "长度",
    "sum_line": "第 {number} 个数：{terms} = {sum}；归一化后 {norm}。和的均值 {mean}，"
    "标准差 {deviation}。",
    "maps_title": "所有注意力头关注哪里",
    "maps_says": "每行是一层，每列是一个注意力头。图中每一行是发出关注的词元，"
    "每一列是被关注的词元；每行之和为 100 %。选一张图可以放大，方向键可以移动。",
    "grid": "所有注意力头：{layers} 层，每层 {heads} 个",
    "map_name": "第 {layer} 层，第 {head} 个注意力头",
    "map_help": "方向键移动选中的格子，Home 和 End 到该行两端。",
    "looks_at": "关注",
    "window": "局部层：一个词元只看到两侧各 {window} 个相邻词元。",
    "scale": "颜色深浅是权重的平方根。",
    "formula_title": "一个格子的完整计算",
    "formula_says": "每个注意力头把词元的向量变成三个短向量：查询 q（要找什么）、"
    "键 k（凭什么被找到）、值 v（传递什么）。",
    "rotary_keys": "这里的 q 和 k 是按位置旋转之后的。",
    "step_product": "查询乘以键",
    "product_line": "{count} 个乘积之和：",
    "largest": "其中最大的：",
    "rest": "其余各项",
    "number_short": "第 {number} 个数",
    "step_scale": "除以宽度的平方根",
    "step_softmax": "Softmax：该行的权重",
    "softmax_line": "对它能看到的全部 {count} 个词元同样计算；e 的得分次方，再除以总和：",
    "outside": "这个词元在窗口之外：没有得分，权重为 0。",
    "score": "得分",
    "power": "e 的得分次方",
    "share": "权重",
    "others": "其余 {count} 个词元",
    "model_says": "模型本身为 {share}",
    "step_value": "权重乘以值",
    "value_line": "该词元从这个注意力头得到的：所有值各乘以其权重，再相加。"
    "其中最大的一个数是第 {number} 个：",
    "query_of": "{token} 的 q",
    "key_of": "{token} 的 k",
    "product_of": "q · k 的逐项乘积",
    "value_of": "{token} 的 v",
    "weighted_of": "它的 {share}",
    "output_of": "对所有词元求和",
    "all_numbers": "以表格列出所有数字",
    "measures_title": "每个注意力头在找什么",
    "measures_says": "对本文本所有词元取平均。若一个头对全部 {count} 个词元一视同仁，"
    "其平均距离为 {even} 个词元。",
    "measure": "指标",
    "distance": "平均距离（词元）",
    "previous": "看前一个词元",
    "next": "看后一个词元",
    "itself": "看自己",
    "first": "看 {cls}",
    "separators": "看 {sep}",
    "farthest": "看得最远",
    "most_previous": "最常看前一个词元",
    "most_next": "最常看后一个词元",
    "most_itself": "最常看自己",
    "most_first": "最常看 {cls}",
    "most_separators": "最常看 {sep}",
    "head_short": "第 {layer} 层第 {head} 头",
    "tokens_far": "{count} 个词元",
    "rollout_title": "穿过所有层：注意力展开（rollout）",
    "rollout_says": "假设只有注意力在混合信息，一个向量来自哪些词元：每层取所有注意力头的平均，"
    "其中一半是词元自身，再逐层相乘（Abnar 与 Zuidema，2020）。",
    "after_layer": "到第几层之后",
    "rollout_line": "第 {layer} 层之后 {token} 的向量：",
    "rollout_name": "第 {layer} 层之后的注意力展开",
    "exact_title": "这些数字有多精确",
    "exact_says": "为了让页面小一些，数字经过舍入：注意力权重（的平方根）取 {shares} 位，"
    "查询和键取 {match} 位，值和嵌入取 {value} 位，每个向量各有自己的步长。"
    "与模型本身的数字相比，本页的权重最多相差 {share_error}，由舍入后的查询和键算出的得分最多相差 "
    "{score_error}（多数注意力头更小）。只显示可信的位数。",
    "foot": "由 filbert 生成。本页是单个文件，不从网络加载任何内容。",
}
LANGUAGES = {"en": ENGLISH, "zh": CHINESE}


def words_for(language: str) -> dict[str, str]:
    """The page's words in a language; DataError for one that is not "en" or "zh"."""
    try:
        return LANGUAGES[language]
    except (KeyError, TypeError):
        known = ", ".join(sorted(LANGUAGES))
        raise DataError(
            f"language of the page: expected one of {known}, got {language!r:.80}"
            f"{did_you_mean(str(language), LANGUAGES)}"
        ) from None
