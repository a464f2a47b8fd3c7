"""The words of the page over several seeds."""

SEEDS_WORDS = {
    "en": {
        "title": "Seeds of {name}",
        "lead": "Fine-tuning ({task}) with {seeds} seeds, in {runs} runs that differ in nothing "
        "else.",
        "scores": "Scores over the seeds",
        "score": "score",
        "dev": "dev set",
        "test": "test set",
        "spread_text": "Mean ± standard deviation over the seeds; of a seed that was tried again, "
        "the last try. The best run was chosen on the dev set, so its own dev score flatters it.",
        "without_restarts": "dev set without restarts",
        "restarts": "failed starts",
        "restarts_text": "A start that says the same of everything at half of its budget is given "
        "up and made again with another seed. Without restarts, the first try of each seed counts, "
        "failed or not.",
        "best": "best on the dev set",
        "curves": "Learning curves",
        "dev_curves": "Dev set, {score}",
        "loss_curves": "Loss of training",
        "step": "step",
        "runs": "The runs",
        "seed": "seed",
        "run": "run",
        "came_out": "came out",
        "kept": "checkpoint",
        "failed": "failed",
        "learnt": "learnt",
        "the_best": "the best",
        "runs_caption": "dev set and test set: {score} of the checkpoint that was kept. A run's "
        "name leads to its page.",
    },
    "zh": {
        "title": "{name} 的各个种子",
        "lead": "微调（{task}），{seeds} 个种子，共 {runs} 次训练，其余完全相同。",
        "scores": "各种子的得分",
        "score": "得分",
        "dev": "验证集",
        "test": "测试集",
        "spread_text": "各种子的平均值 ± 标准差；重来过的种子取最后一次。"
        "最好的一次是在验证集上选出的，所以它的验证集得分偏高。",
        "without_restarts": "验证集，不算重来",
        "restarts": "失败的起步",
        "restarts_text": "用去一半预算时对什么都给同样回答的，就放弃并换种子重来。不算重来时，"
        "取每个种子的第一次，无论失败与否。",
        "best": "验证集上最好的",
        "curves": "学习曲线",
        "dev_curves": "验证集，{score}",
        "loss_curves": "训练损失",
        "step": "步",
        "runs": "各次训练",
        "seed": "种子",
        "run": "训练",
        "came_out": "结果",
        "kept": "检查点",
        "failed": "失败",
        "learnt": "学会",
        "the_best": "最好",
        "runs_caption": "验证集和测试集：所保留检查点的 {score}。点训练的名称可打开它的页面。",
    },
}
