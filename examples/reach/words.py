"""The page's words in both languages."""

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "title": "How far do they look? BERT beside a bidirectional LSTM",
        "lead": (
            "Both networks have about as many weights between the same kind of embeddings and the "
            "same kind of head, and learnt from the same texts in as many steps. All that follows "
            "was measured on held-out text."
        ),
        "BERT": "BERT",
        "LSTM": "LSTM, bidirectional",
        "BERT, untrained": "BERT, untrained",
        "LSTM, untrained": "LSTM, untrained",
        "BERT, copying": "BERT, once it has learnt to copy",
        "question": "question",
        "summary_caption": "Gradients and losses after masked language modelling alone.",
        "sum_steps": "steps until copying is learnt (loss below 0.1)",
        "sum_copy_far": "a word 100 tokens away is copied",
        "sum_beyond": "share of the gradient from more than 30 tokens away",
        "sum_far": "gradient of a token 100 away, beside that of a neighbour",
        "sum_rise": "rise of the loss when the text is cut to 4 tokens on each side (nats)",
        "sum_loss": "loss of a hidden token, whole text (nats)",
        "copy": "Over how many tokens can a word be carried?",
        "copy_text": (
            "One of 16 rare words is planted somewhere in a real text; others are hidden: the "
            "answer there is the planted word. Two fresh networks had the same lessons, on "
            "texts of 4 to 128 tokens. Chance is 6 %."
        ),
        "copy_y": "planted word named right",
        "distance": "distance in tokens",
        "step": "step",
        "lesson_title": "Learning to copy",
        "attention_text": (
            "Where BERT looks once it has learnt this: the planted word stands at the beginning, "
            "[MASK] far behind it. Choose a layer, an attention head and the token [MASK]."
        ),
        "gradient": "How far does the gradient reach?",
        "gradient_text": (
            "One token is hidden; the norm of d logit of the right token / d input vector of each "
            "other token says how strongly that token can move the answer. 0 is the mean of all "
            "tokens of the text, -3 a thousandth of it. In BERT every token is one step away from "
            "every other. In an LSTM the answer has to pass through all hidden states between."
        ),
        "gradient_y": "strength, powers of ten",
        "network": "network",
        "beyond": "beyond {tokens} tokens",
        "cut": "What does a hidden token lose when the text is cut?",
        "cut_text": (
            "The text is cut to so many tokens on each side of the hidden one. A curve that still "
            "falls at the right end uses what stands far away."
        ),
        "cut_x": "tokens left on each side",
        "cut_y": "loss (nats)",
        "heads": "How far do attention heads look?",
        "heads_text": (
            "Special tokens are left out. Beyond the mean distance of a head that looks at all "
            "tokens alike, a head avoids what is near. The last column says how much more of the "
            "weight beyond 10 tokens lies on the very same (rare) word than chance would put there."
        ),
        "head": "attention head",
        "head_name": "layer {layer}, attention head {head}",
        "even": "all tokens alike",
        "mean_distance": "mean distance",
        "same_word": "same word",
        "heads_caption": (
            "{name}: of {count} attention heads the farthest, the nearest and the best finders"
        ),
        "run": "What was run",
        "steps": "steps of both (masked language modelling + copying)",
        "weights": "{name}: weights inside",
        "learning": "{name}: masked language modelling took",
        "seconds": "everything took",
    },
    "zh": {
        "title": "它们能看多远？BERT 与双向 LSTM 的对照",
        "lead": (
            "两个网络用同样的嵌入层和输出头，中间的权重数量相近，从同样的文本学习同样多的步数。"
            "下面的一切都在留出的文本上测得。"
        ),
        "BERT": "BERT",
        "LSTM": "双向 LSTM",
        "BERT, untrained": "BERT（未训练）",
        "LSTM, untrained": "LSTM（未训练）",
        "BERT, copying": "BERT（学会复制之后）",
        "question": "问题",
        "summary_caption": "梯度和损失在仅做掩码语言模型训练之后测得。",
        "sum_steps": "学会复制所需的步数（损失低于 0.1）",
        "sum_copy_far": "相距 100 个词元的词被正确复制",
        "sum_beyond": "来自 30 个词元以外的梯度所占比例",
        "sum_far": "相距 100 的词元的梯度，与相邻词元之比",
        "sum_rise": "两侧只留 4 个词元时损失的上升（nat）",
        "sum_loss": "被遮词元的损失，完整文本（nat）",
        "copy": "一个词能被带过多少个词元？",
        "copy_text": (
            "在真实文本中某处植入 16 个罕见词之一，再遮住另外几处；那里的答案就是被植入的词。"
            "两个新网络上的课完全一样，文本长 4 到 128 个词元。随机猜对的概率是 6 %。"
        ),
        "copy_y": "猜对植入词的比例",
        "distance": "距离（词元）",
        "step": "步",
        "lesson_title": "学习复制",
        "attention_text": (
            "BERT 学会之后在看哪里：植入的词在开头，[MASK] 在很远的后面。"
            "请选择层、注意力头和词元 [MASK]。"
        ),
        "gradient": "梯度能传多远？",
        "gradient_text": (
            "遮住一个词元；正确词元的 logit 对其他每个词元输入向量的导数的范数，"
            "说明那个词元能在多大程度上改变答案。0 表示文本中所有词元的平均，-3 表示其千分之一。"
            "在 BERT 中，任意两个词元之间只隔一步；在 LSTM 中，信息必须穿过中间的所有隐状态。"
        ),
        "gradient_y": "强度（10 的幂）",
        "network": "网络",
        "beyond": "{tokens} 个词元以外",
        "cut": "文本被截短时，被遮的词元损失多少？",
        "cut_text": "文本被截到被遮词元两侧各若干个词元。曲线在右端仍在下降，说明远处的内容有用。",
        "cut_x": "每侧保留的词元",
        "cut_y": "损失（nat）",
        "heads": "注意力头能看多远？",
        "heads_text": (
            "特殊词元不计。平均距离超过“一视同仁”的头，会避开近处。"
            "最后一列：在 10 个词元以外的权重中，落在同一个（罕见）词上的部分是随机情形的多少倍。"
        ),
        "head": "注意力头",
        "head_name": "第 {layer} 层，第 {head} 个注意力头",
        "even": "对所有词元一视同仁",
        "mean_distance": "平均距离",
        "same_word": "同一个词",
        "heads_caption": "{name}：{count} 个注意力头中最远的、最近的，以及最会找同一个词的",
        "run": "运行情况",
        "steps": "两者的步数（掩码语言模型 + 复制）",
        "weights": "{name}：内部权重",
        "learning": "{name}：掩码语言模型训练用时",
        "seconds": "总用时",
    },
}
