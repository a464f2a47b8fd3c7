"""The page's words in both languages."""

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "title": "A BERT of your own",
        "lead": (
            "Raw text became a tokenizer, a pre-trained BERT and a classifier on this machine. "
            "All scores are on held-out text that none of them had seen."
        ),
        "text": "What was read",
        "by_file": "Whole files were held out, and near duplicates of them taken out of training.",
        "by_document": "There were too few files to hold whole ones out: single documents were.",
        "pretraining": "Pre-training",
        "pretraining_text": (
            "A part of the tokens was hidden, and the network learnt to name them from both sides "
            "(masked language modelling)."
        ),
        "loss": "loss (nats a masked token)",
        "seconds": "seconds of training",
        "loss_title": "Loss while pre-training",
        "masked_right": "masked tokens named right",
        "masked_top5": "right one among the first five",
        "always": "always saying “{answer}”",
        "masked_title": "Masked tokens of held-out text",
        "share": "share",
        "filling": "What it would fill in",
        "filling_text": "Held-out sentences with one word hidden.",
        "sentence": "sentence",
        "hidden": "hidden word",
        "guesses": "guesses",
        "finetuning": "Fine-tuning",
        "finetuning_text": (
            "The same network, with a classification head, learnt {labels} labels from {examples} "
            "examples: once from the pre-trained weights, once from fresh ones."
        ),
        "labels_stripped": (
            "The question: which part of Python's standard library is this docstring from? The "
            "names of package and module were taken out of the text."
        ),
        "way": "way",
        "accuracy": "accuracy",
        "macro_f1": "macro-F1",
        "majority": "always “{answer}”",
        "without": "without pre-training",
        "with": "with pre-training",
        "scores_caption": "{examples} held-out examples",
        "helped": "Pre-training was worth {points} points of accuracy here.",
        "hurt": (
            "Pre-training did not help here ({points} points of accuracy). Usual causes: too "
            "little text or time before the fine-tuning, or a task that single words decide."
        ),
        "curves": "Loss while fine-tuning",
        "confusion": "Which labels were mixed up",
        "samples": "Sample predictions",
        "attention": "Where the tokens look",
        "attention_text": "The pre-trained network on a held-out sentence: softmax(QKᵀ/√d).",
        "no_classifier": "These texts have no labels, so there is no classifier.",
        "next": "What to try next",
    },
    "zh": {
        "title": "你自己的 BERT",
        "lead": (
            "就在这台机器上，原始文本变成了分词器、预训练的 BERT 和一个分类器。"
            "下面的分数都来自训练中从未见过的留出文本。"
        ),
        "text": "读了什么",
        "by_file": "整个文件被留出，与之近似重复的文档也从训练中剔除。",
        "by_document": "文件太少，无法整个留出，因此留出的是单篇文档。",
        "pretraining": "预训练",
        "pretraining_text": (
            "一部分词元被遮住，网络根据左右两侧的上下文把它们猜出来（掩码语言模型）。"
        ),
        "loss": "损失（每个被遮词元，nat）",
        "seconds": "训练秒数",
        "loss_title": "预训练的损失",
        "masked_right": "猜对被遮词元",
        "masked_top5": "正确答案在前五名",
        "always": "总是猜“{answer}”",
        "masked_title": "留出文本上的被遮词元",
        "share": "比例",
        "filling": "它会填什么",
        "filling_text": "留出的句子，每句遮住一个词。",
        "sentence": "句子",
        "hidden": "被遮的词",
        "guesses": "猜测",
        "finetuning": "微调",
        "finetuning_text": (
            "同一个网络接上分类头，从 {examples} 个样本学习 {labels} 个标签："
            "一次从预训练权重开始，一次从随机权重开始。"
        ),
        "labels_stripped": (
            "问题：这段文档字符串来自 Python 标准库的哪一部分？文本里的包名和模块名已被去掉。"
        ),
        "way": "做法",
        "accuracy": "准确率",
        "macro_f1": "宏平均 F1",
        "majority": "总是答“{answer}”",
        "without": "没有预训练",
        "with": "有预训练",
        "scores_caption": "{examples} 个留出样本",
        "helped": "在这里，预训练带来了 {points} 个百分点的准确率。",
        "hurt": (
            "在这里，预训练没有帮助（准确率 {points} 个百分点）。"
            "常见原因：微调之前的文本或时间太少，或者任务单凭个别词就能判断。"
        ),
        "curves": "微调的损失",
        "confusion": "哪些标签被混淆",
        "samples": "预测示例",
        "attention": "每个词元在看哪里",
        "attention_text": "预训练网络读一个留出的句子：softmax(QKᵀ/√d)。",
        "no_classifier": "这些文本没有标签，所以没有分类器。",
        "next": "接下来可以试试",
        "documents": "文档",
        "sentences": "句子数",
        "tokens": "词元",
        "held-out documents": "留出文档",
        "held-out tokens": "留出词元",
        "vocabulary": "词表",
    },
}
