"""The page: sections in order, one file, no network.

The content policy (shell.py) forbids style attributes: sizes are attributes of SVG shapes and
shades are classes.
"""

import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy.typing as npt

from filbert.disk import atomic_file
from filbert.errors import DataError
from filbert.report import attention as attention_part
from filbert.report import bars as bars_part
from filbert.report import lines as lines_part
from filbert.report import marked as marked_part
from filbert.report import matrix as matrix_part
from filbert.report import points as points_part
from filbert.report import prose
from filbert.report.bars import Sample
from filbert.report.escape import inline, shorten
from filbert.report.lines import Marks
from filbert.report.marked import Line
from filbert.report.numbers import Cell, Number
from filbert.report.prose import Entry
from filbert.report.series import Series
from filbert.report.shell import page_style, read_source, whole_page
from filbert.report.words import words_for

CONTENTS_FROM = 4
"""Headings from which the page has a table of contents."""


class Report:
    """One page, built from the top down; each method appends one section.

    Every text is escaped; characters that are invisible or turn the order of a line around are
    shown as their code points. Shapes that do not fit raise DataError at the call.
    """

    def __init__(self, title: str, language: str = "en") -> None:
        """Begin an empty page.

        Args:
            title: the name of the page, shown at its top and in the browser's tab.
            language: "en" or "zh": the page's own words and its fonts.

        Raises:
            DataError: another language.
        """
        self._words = words_for(language)
        self._title = title
        self._language = language
        self._parts: list[str] = []
        self._headings: list[str] = []
        self._scripted = False

    def heading(self, text: str) -> None:
        """Begin a new section; from four headings on the page has a table of contents."""
        self._headings.append(text)
        self._parts.append(f'<h2 id="part-{len(self._headings)}">{inline(text)}</h2>')

    def text(self, text: str) -> None:
        """Append running text; blank lines part paragraphs. No markup is read."""
        self._parts.append(prose.paragraphs(text))

    def code(self, text: str) -> None:
        """Append commands or code, letter by letter."""
        self._parts.append(prose.code(text))

    def facts(self, values: Mapping[str, Cell]) -> None:
        """Append names with their values, such as {"tokens": 1_234_567, "loss": 3.21}."""
        self._parts.append(prose.facts(values))

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[Entry]], caption: str = ""
    ) -> None:
        """Append a table; columns that hold only numbers are set to the right.

        Args:
            columns: the names of the columns.
            rows: one cell for each column; None shows as a dash, a Link leads to another page.
            caption: a small text under the table.

        Raises:
            DataError: a row has not one cell for each column.
        """
        self._parts.append(prose.table(columns, rows, caption, self._words))

    def lines(
        self,
        series: Series,
        *,
        x: str = "",
        y: str = "",
        title: str = "",
        marks: Marks | None = None,
        smooth: bool = True,
    ) -> None:
        """Append curves over a common x axis; see `filbert.report.lines.lines`.

        Args:
            series: name → (xs, ys), flat and of equal length; NaN and ∞ leave gaps.
            x: what the x axis shows.
            y: what the y axis shows.
            title: the name above the figure.
            marks: name → places on the x axis, drawn as upright lines; at most two names.
            smooth: whether series of 100 points and more get a running mean.

        Raises:
            DataError: shapes that do not fit.
            ExtraError: altair is not installed (extra "report").
        """
        self._parts.append(
            lines_part.lines(series, x, y, title, self._words, marks=marks, smooth=smooth)
        )

    def points(
        self,
        series: Series,
        *,
        x: str = "",
        y: str = "",
        title: str = "",
        joined: bool = False,
        diagonal: str = "",
        limits: tuple[float, float] | None = None,
    ) -> None:
        """Append points of one number against another; see `filbert.report.points.points`.

        Args:
            series: name → (xs, ys), flat and of equal length.
            x: what the x axis shows.
            y: what the y axis shows.
            title: the name above the figure.
            joined: whether a line goes through the points of a series.
            diagonal: the name of the line on which both are equal; empty: there is none.
            limits: from where to where both axes go; None: as far as the points.

        Raises:
            DataError: shapes that do not fit.
            ExtraError: altair is not installed (extra "report").
        """
        self._parts.append(
            points_part.points(
                series,
                x,
                y,
                title,
                self._words,
                joined=joined,
                diagonal=diagonal,
                limits=limits,
            )
        )

    def marked(self, lines: Mapping[str, Line], *, title: str = "") -> None:
        """Append texts with marked parts, one below the other: gold and predicted, say.

        Args:
            lines: name → (text, [(start, end, label, kind), …]), in characters; kind is "right",
                "wrong", "missed" or "plain". Marks may lie within or across each other.
            title: the name above the texts.

        Raises:
            DataError: a line of another form, or a mark that does not lie in its text.
        """
        self._parts.append(marked_part.marked(lines, title, self._words))

    def bars(self, values: Mapping[str, Number], *, title: str = "", value: str = "") -> None:
        """Append one bar for each name, from zero, in the order given.

        Args:
            values: name → number.
            title: the name above the figure.
            value: what the numbers are, in their unit.

        Raises:
            DataError: not a mapping of names to numbers.
        """
        self._parts.append(bars_part.bars(values, title, value, self._words))

    def matrix(
        self,
        values: npt.ArrayLike,
        labels: Sequence[str],
        *,
        title: str = "",
        rows: str | None = None,
        columns: str | None = None,
    ) -> None:
        """Append a confusion matrix with recall, precision and accuracy at its rims.

        Args:
            values: counts [labels, labels]; row = truth, column = prediction.
            labels: the names of the rows and columns, at most 60.
            title: the name above the figure.
            rows: what the rows are; "true" in the page's language if None.
            columns: what the columns are; "predicted" in the page's language if None.

        Raises:
            DataError: shapes that do not fit, or negative counts.
        """
        across = self._words["predicted"] if columns is None else columns
        down = self._words["truth"] if rows is None else rows
        self._parts.append(matrix_part.matrix(values, labels, title, down, across, self._words))

    def samples(self, entries: Iterable[Sample], *, title: str = "") -> None:
        """Append sample texts with the probabilities of their labels.

        Args:
            entries: (text, [(label, probability), …], true label or None).
            title: the name above the figure.

        Raises:
            DataError: an entry of another form, or a probability not in [0, 1].
        """
        self._parts.append(bars_part.samples(entries, title, self._words))

    def tokens(
        self, tokens: Sequence[str], weights: npt.ArrayLike | None = None, *, title: str = ""
    ) -> None:
        """Append a row of tokens, each shaded by its weight if there are weights.

        Args:
            tokens: the tokens as the tokenizer writes them.
            weights: [tokens], from 0 to 1.
            title: the name above the figure.

        Raises:
            DataError: shapes that do not fit, or weights not in [0, 1].
        """
        self._parts.append(attention_part.tokens(tokens, weights, title))

    def attention(self, tokens: Sequence[str], weights: npt.ArrayLike, *, title: str = "") -> None:
        """Append an attention map with a choice of layer, attention head and token.

        Args:
            tokens: the tokens of one sentence, at most 96.
            weights: [depth, attention_heads, tokens, tokens]; [.., i, j] is how much token i
                looks at token j.
            title: the name above the figure.

        Raises:
            DataError: another shape, too many tokens, or weights not in [0, 1].
        """
        self._parts.append(attention_part.attention(tokens, weights, title, self._words))
        self._scripted = True

    def write(self, path: str | Path) -> Path:
        """Write the page, whole or not at all.

        Args:
            path: the file; an existing one is replaced.

        Returns:
            The path.

        Raises:
            DataError: the path is a folder.
            FilbertError: the system refuses to write.
        """
        goal = Path(path)
        if goal.is_dir():
            raise DataError(f"report: expected the path of a file, got the folder {goal}")
        with atomic_file(goal) as draft:
            draft.write_text(self._page(), encoding="utf-8", newline="\n")
        return goal

    def _page(self) -> str:
        contents = self._contents()
        body = (
            f"<header><h1>{inline(self._title)}</h1></header>\n{contents}"
            f"<main>\n{chr(10).join(self._parts)}\n</main>\n"
            f"<footer>{html.escape(self._words['foot'])}</footer>\n"
        )
        return whole_page(
            self._title,
            body,
            language=self._language,
            style=page_style(),
            script=read_source("filbert.report", "page.js") if self._scripted else "",
            body_class="with-contents" if contents else "",
        )

    def _contents(self) -> str:
        if len(self._headings) < CONTENTS_FROM:
            return ""
        entries = "".join(
            f'<li><a href="#part-{at}">{inline(shorten(text, 80))}</a></li>'
            for at, text in enumerate(self._headings, start=1)
        )
        name = html.escape(self._words["contents"])
        return f'<nav aria-label="{name}"><p>{name}</p><ol>{entries}</ol></nav>\n'
