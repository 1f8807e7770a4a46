"""The package stands alone: its wheel works with pydantic and what pydantic needs, and nothing else."""

import importlib.metadata
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

_PACKAGE = Path(__file__).parents[1]

_USE = """
import sys
from datetime import UTC, datetime
from qianqiao_contracts import NeedPosted, decode, encode, make_event, signing, TYPES, ContractError
from qianqiao_contracts.tools.schemas import all_schemas
need = NeedPosted(party="p", title="t", difficulty="d", channel="intake", last_confirmed=datetime.now(UTC))
event = make_event(need, source="/parks/p", subject="n", sequence=1)
assert decode(encode(event)) == event
assert signing.verify(encode(event), signing.sign(encode(event), "s"), "s")
assert len(all_schemas()) == len(TYPES) + 1
try:
    decode(b"{}")
except ContractError as error:
    print(error.zh)
foreign = {name.split(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - {"__main__"}
print(sorted(foreign))
"""


def _requirements(name: str) -> set[str]:
    """Distributions ``name`` needs without any extra, itself included."""
    found = {name}
    for line in importlib.metadata.requires(name) or ():
        if "extra ==" not in line:
            found |= _requirements(re.match(r"[\w.-]+", line).group())  # type: ignore[union-attr]
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=_PACKAGE, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_works_with_pydantic_alone(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
    for name in _requirements("pydantic"):
        for file in importlib.metadata.files(name) or ():
            top = Path(str(file)).parts[0]
            target = Path(str(file.locate())).parents[len(Path(str(file)).parts) - 1] / top
            if top != ".." and not (site / top).exists():
                (site / top).symlink_to(target)
    code = f"import sys; sys.path.insert(0, {str(site)!r})\n{_USE}"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "缺少 type 属性" in done.stdout
    assert "'pydantic'" in done.stdout


def test_the_wheel_asks_for_pydantic_only(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        metadata = packed.read(next(name for name in names if name.endswith("/METADATA"))).decode()
    assert re.findall(r"^Requires-Dist: (\w+)", metadata, re.MULTILINE) == ["pydantic"]
    for data in ("errors", "limits", "topics", "codes", "patterns", "changes"):
        assert f"qianqiao_contracts/data/{data}.toml" in names
    assert "qianqiao_contracts/py.typed" in names
