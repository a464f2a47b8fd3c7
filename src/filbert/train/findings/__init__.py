"""What a fine-tuned model says of its dev set: found once, kept, shown on the run's page."""

from filbert.train.findings.dev import language_of
from filbert.train.findings.findings import FINDINGS_FILE, Findings, read_findings
from filbert.train.findings.keeping import keep_findings
from filbert.train.findings.words import FOUND_WORDS

__all__ = [
    "FINDINGS_FILE",
    "FOUND_WORDS",
    "Findings",
    "keep_findings",
    "language_of",
    "read_findings",
]
