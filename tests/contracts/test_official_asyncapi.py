"""The AsyncAPI document passes the parser AsyncAPI itself publishes. Skipped, saying why, without node or a registry.

The quick tests of libs/contracts check the same document with other means; this asks the authority.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_PARSER = "@asyncapi/parser@3.6.3"
_HERE = Path(__file__).parent
_DOCUMENT = _HERE.parents[1] / "docs" / "asyncapi.json"
_ASKED = "QIANQIAO_TEST_ASYNCAPI"


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the parser installed; its install scripts are not run."""
    if not os.environ.get(_ASKED):
        pytest.skip(f"heavy: downloads {_PARSER}; set {_ASKED}=1 to run it")
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("parser")
    (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", _PARSER]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != 0:
        pytest.skip(f"{_PARSER} cannot be installed here: {done.stderr.strip()[-300:]}")
    return folder


def _parse(parser: Path, document: Path) -> subprocess.CompletedProcess[str]:
    command = ["node", str(_HERE / "official_asyncapi.mjs"), str(parser), str(document)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_the_official_parser_accepts_the_document(parser: Path) -> None:
    done = _parse(parser, _DOCUMENT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 channels, 56 messages" in done.stdout


def test_the_official_parser_would_refuse_a_broken_one(parser: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    text = _DOCUMENT.read_text(encoding="utf-8")
    broken.write_text(text.replace('"action": "send"', '"action": "shout"', 1), encoding="utf-8")
    assert _parse(parser, broken).returncode == 1
