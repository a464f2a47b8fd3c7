"""Fails when something that filbert installs for its users carries GPL or AGPL.

Walks the requirements of filbert with all product extras (`filbert[all]`; the tools of `dev` and
the peers of `bench` are not installed for users) as they are installed here, and reads what each
package says of itself: License-Expression (SPDX), else the classifiers, else the License field.

The rule:
  GPL, AGPL, SSPL     fail; they would bind every program that imports filbert.
  a choice (A OR B)   passes if one side passes.
  GPL WITH exception  passes where the exception frees programs that merely link (GCC, Classpath).
  LGPL                passes and is listed: we import the package unmodified, installed on its own,
                      which the LGPL allows without terms for the importing program. To copy such
                      code into this repository or a wheel would not be allowed.
  NVIDIA's own        pass and are listed, likewise: torch's CUDA builds bring them.
  anything else       that is neither stated nor known to be free fails, until a person has read
                      the licence file and entered it in READ_BY_HAND.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PRODUCT = "filbert[all]"

# Packages whose metadata name no licence, and what their licence file says.
READ_BY_HAND = {
    "daft": "Apache-2.0",
}

# torch's CUDA builds bring NVIDIA's libraries under NVIDIA's terms; its CPU builds do not.
_NVIDIA = ("nvidia-", "cuda-")

_LINKING_EXCEPTION = re.compile(r"WITH\s+(GCC|Classpath)-exception", re.IGNORECASE)
_STRONG = re.compile(
    r"(?<![A-Z])(A?GPL|SSPL)"
    r"|(?<!Lesser )(?<!Library or Lesser )(?<!Library )General Public License"
    r"|Server Side Public License",
    re.IGNORECASE,
)
_FREE = re.compile(
    r"\b(0?BSD|MIT|Apache|ISC|MPL|Mozilla Public License|PSF|Python Software Foundation|CNRI|Zlib"
    r"|BSL-1\.0|Boost|CC0|Unlicense|HPND|Unicode-3\.0|Unicode-DFS)",
    re.IGNORECASE,
)
_WEAK = re.compile(
    r"(?<![A-Z])LGPL|(Lesser|Library( or Lesser)?) General Public License", re.IGNORECASE
)


@dataclass(frozen=True)
class Finding:
    """One installed package and how its licence stands to the rule."""

    package: str
    licence: str
    verdict: str  # "free", "listed", "copyleft" or "unknown"


def verdict(licence: str) -> str:
    """How one licence text stands to the rule at the top of this file."""
    choices = [_verdict_of_choice(choice) for choice in re.split(r"\s+OR\s+", licence)]
    return min(choices, key=["free", "listed", "unknown", "copyleft"].index)


def _verdict_of_choice(choice: str) -> str:
    parts = re.split(r"\s+AND\s+", choice)
    if any(_STRONG.search(part) and not _LINKING_EXCEPTION.search(part) for part in parts):
        return "copyleft"
    if any(_WEAK.search(part) for part in parts):
        return "listed"
    known = all(_FREE.search(part) or _LINKING_EXCEPTION.search(part) for part in parts)
    return "free" if known else "unknown"


def _verdict_of_package(package: str, licence: str) -> str:
    found = verdict(licence)
    return "listed" if found == "unknown" and package.startswith(_NVIDIA) else found


def licence_of(about: metadata.PackageMetadata) -> str:
    """The licence of a package in its own words; empty if it does not say."""
    for expression in about.get_all("License-Expression") or []:
        return str(expression)
    classifiers = [
        line.split("::")[-1].strip()
        for line in about.get_all("Classifier") or []
        if line.startswith("License ::") and not line.endswith("OSI Approved")
    ]
    if classifiers:
        return " AND ".join(classifiers)
    for text in about.get_all("License") or []:
        # Some packages put the whole text here; its first line names the licence.
        return str(text).strip().partition("\n")[0]
    return ""


def closure(
    root: str, find: Callable[[str], metadata.Distribution] = metadata.distribution
) -> Iterator[metadata.Distribution]:
    """Every installed distribution that `root` needs, its extras followed, root itself excluded."""
    waiting = [Requirement(root)]
    seen: set[tuple[str, str]] = set()
    given: set[str] = {canonicalize_name(waiting[0].name)}
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        # "" stands for the package without any extra.
        new = [extra for extra in ("", *sorted(wanted.extras)) if (name, extra) not in seen]
        if not new:
            continue
        seen.update((name, extra) for extra in new)
        distribution = find(name)
        if name not in given:
            given.add(name)
            yield distribution
        for line in distribution.requires or []:
            needed = Requirement(line)
            if needed.marker is None or any(
                needed.marker.evaluate({"extra": extra}) for extra in new
            ):
                waiting.append(needed)


def check(distributions: Iterable[metadata.Distribution]) -> list[Finding]:
    """One finding for each distribution, by name."""
    findings = []
    for distribution in distributions:
        package = canonicalize_name(distribution.metadata["Name"])
        licence = licence_of(distribution.metadata)
        if verdict(licence) == "unknown":
            licence = READ_BY_HAND.get(package, licence)
        findings.append(Finding(package, licence, _verdict_of_package(package, licence)))
    return sorted(findings, key=lambda finding: finding.package)


def main() -> int:
    """Print what was found; 1 if a package may not be depended on."""
    try:
        findings = check(closure(PRODUCT))
    except metadata.PackageNotFoundError as error:
        print(f"licences: {PRODUCT} is not fully installed: {error}", file=sys.stderr)
        return 1
    bad = [finding for finding in findings if finding.verdict in ("copyleft", "unknown")]
    for finding in findings:
        if finding.verdict == "listed":
            print(
                f"licences: {finding.package} is {finding.licence}: used as installed, never copied"
            )
    for finding in bad:
        said = finding.licence or "no licence in its metadata (see READ_BY_HAND)"
        print(f"licences: {finding.package}: {said}", file=sys.stderr)
    here = Path(__file__).name
    print(f"licences: {len(findings)} packages of {PRODUCT}, {len(bad)} refused (rule: {here})")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
