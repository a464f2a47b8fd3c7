import pytest

from filbert.language import is_chinese


@pytest.mark.parametrize(
    "text",
    ["中文", "我们用 TensorFlow 训练模型。", "繁體中文，也是中文", "北京 2008", "𠀀𠀁"],
)
def test_chinese(text):
    assert is_chinese(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "12.5 %",
        "English",
        "The city of 北京 is large",
        "これは日本語の文です",
        "한국어 漢字",
    ],
)
def test_not_chinese(text):
    assert not is_chinese(text)
