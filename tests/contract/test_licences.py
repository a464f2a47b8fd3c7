import importlib.util
import subprocess
import sys
from email.message import Message
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "check_licences.py"


def load_script():
    specification = importlib.util.spec_from_file_location("check_licences", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["check_licences"] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


licences = load_script()


class Package:
    """An installed package that says of itself what the test wants."""

    def __init__(self, name, requires=(), **about):
        self.requires = list(requires)
        self.metadata = Message()
        self.metadata["Name"] = name
        for key, value in about.items():
            self.metadata[key.replace("_", "-")] = value


@pytest.mark.parametrize(
    ("licence", "verdict"),
    [
        ("MIT", "free"),
        ("Apache-2.0 WITH LLVM-exception AND BSD-3-Clause", "free"),
        ("Mozilla Public License 2.0 (MPL 2.0)", "free"),
        ("GPL-3.0-or-later", "copyleft"),
        ("GPLv2", "copyleft"),
        ("GNU General Public License v3 (GPLv3)", "copyleft"),
        ("GNU Affero General Public License v3", "copyleft"),
        ("AGPL-3.0-only", "copyleft"),
        ("MIT AND GPL-2.0-only", "copyleft"),
        ("MIT OR GPL-2.0-only", "free"),
        ("BSD-3-Clause AND GPL-3.0-or-later WITH GCC-exception-3.1", "free"),
        ("LGPL-2.1-or-later", "listed"),
        ("GNU Library or Lesser General Public License (LGPL)", "listed"),
        ("GNU Lesser General Public License v3 (LGPLv3)", "listed"),
        ("LGPL-3.0-only AND GPL-3.0-only", "copyleft"),
        ("Copyright (c) 2020 somebody", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_rule(licence, verdict):
    assert licences.verdict(licence) == verdict


def test_the_licence_is_read_wherever_a_package_states_it():
    by_expression = Package("a", License_Expression="MIT", License="GPL").metadata
    by_classifier = Package(
        "b", Classifier="License :: OSI Approved :: GNU Affero General Public License v3"
    ).metadata
    by_text = Package("c", License="BSD 3-Clause License\n\nCopyright …").metadata
    assert licences.licence_of(by_expression) == "MIT"
    assert licences.verdict(licences.licence_of(by_classifier)) == "copyleft"
    assert licences.licence_of(by_text) == "BSD 3-Clause License"


def test_a_gpl_package_deep_in_the_closure_is_found():
    installed = {
        "filbert": Package("filbert", ["core", 'reader; extra == "all"', 'linter; extra == "dev"']),
        "core": Package("core", License_Expression="MIT"),
        "reader": Package("reader", ["Parser[fast]>=1"], License_Expression="MIT"),
        "parser": Package("parser", ['speed; extra == "fast"'], License_Expression="MIT"),
        "speed": Package("speed", ["core"], License_Expression="GPL-3.0-only"),
        "linter": Package("linter", License_Expression="GPL-3.0-only"),
    }
    findings = licences.check(licences.closure("filbert[all]", installed.__getitem__))
    assert {finding.package: finding.verdict for finding in findings} == {
        "core": "free",
        "parser": "free",
        "reader": "free",
        "speed": "copyleft",
    }, "a development tool (linter) is not looked at"


def test_a_package_without_a_stated_licence_fails_until_it_is_read_by_hand():
    stated = {
        "filbert": Package("filbert", ["daft", "mystery", "nvidia-cublas"]),
        "daft": Package("daft"),
        "mystery": Package("mystery", License="see the file"),
        "nvidia-cublas": Package("nvidia-cublas", License="NVIDIA Proprietary Software"),
    }
    findings = licences.check(licences.closure("filbert", stated.__getitem__))
    assert {finding.package: finding.verdict for finding in findings} == {
        "daft": "free",
        "mystery": "unknown",
        "nvidia-cublas": "listed",
    }


def test_the_check_fails_on_a_gpl_package_that_is_installed(tmp_path):
    # Metadata that come first on the path win: here msgspec has become GPL.
    folder = tmp_path / "msgspec-99.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: msgspec\nVersion: 99\nLicense-Expression: GPL-3.0-only\n"
    )
    program = f"import runpy, sys; sys.path.insert(0, {str(tmp_path)!r}); "
    program += f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert "msgspec: GPL-3.0-only" in done.stderr


def test_the_product_is_free_of_gpl():
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
