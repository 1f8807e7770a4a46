"""Whatever happens to the files of an index: it is noticed, or it does no harm. It never gives a wrong answer."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from matching.engine.index.port import Held, IndexDamagedError
from matching.engine.index.tantivy_index import ABOUT, RECORDS, TantivyIndex

from .conformance import entry, found

BAKED = "zh/1"
IDS = [f"result-0199aa00-1111-7222-8333-{number:012x}" for number in range(40)]
TERMS = ["甲烷", "激光", "焊接", "陶瓷"]
DATA = (".idx", ".term", ".fast", ".fieldnorm", ".del", ".store", ".pos")

type Answers = tuple[dict[str, Held], list[list[str]], int, str | None]
type Harm = Callable[[Path, random.Random], bool]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole") / "index"


async def built(whole: Path) -> Path:
    """An index of several commits, with replaced and closed items."""
    if not whole.exists():
        chance = random.Random(1)
        index = TantivyIndex.create(whole, BAKED)
        for number in range(1, 4):
            some = [
                entry(id, chance.sample(TERMS, 2), content=number, vector=chance.randbytes(200))
                for id in chance.sample(IDS, 20)
            ]
            await index.write(some, str(number))
        await index.write([entry(IDS[0], is_open=False), entry(IDS[1], ["甲烷"], content=9)], "last")
        await index.close()
    return whole


async def answers(path: Path) -> Answers:
    """Everything an index says, after everything was looked through; IndexDamagedError where it was noticed."""
    index = TantivyIndex.open(path, writes=False)
    try:
        index.check()
        held = dict(await index.get(IDS))
        return held, [await found(index, term) for term in TERMS], index.size, index.position
    finally:
        await index.close()


def flip(file: Path, chance: random.Random) -> bool:
    data = bytearray(file.read_bytes())
    if not data:
        return False
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    file.write_bytes(data)
    return True


def flip_body(file: Path, chance: random.Random) -> bool:
    """Anywhere but in a footer, whose words are harmless but for the checksum."""
    data = bytearray(file.read_bytes())
    footer = int.from_bytes(data[-8:-4], "little") + 8 if file.suffix in DATA else 0
    if len(data) <= footer:
        return False
    data[chance.randrange(len(data) - footer)] ^= 1 << chance.randrange(8)
    file.write_bytes(data)
    return True


def zero(file: Path, chance: random.Random) -> bool:
    data = file.read_bytes()
    file.write_bytes(bytes(len(data)))
    return bool(data)


def cut(file: Path, chance: random.Random) -> bool:
    data = file.read_bytes()
    file.write_bytes(data[: chance.randrange(len(data))] if data else b"")
    return bool(data)


def remove(file: Path, chance: random.Random) -> bool:
    file.unlink()
    return True


def grow(file: Path, chance: random.Random) -> bool:
    file.write_bytes(file.read_bytes() + chance.randbytes(50))
    return True


@pytest.mark.parametrize("harm", [flip, flip_body, zero, cut, remove, grow])
@pytest.mark.parametrize("seed", range(3))
async def test_harm_to_any_file_is_noticed_or_harmless(whole: Path, tmp_path: Path, harm: Harm, seed: int) -> None:
    truth = await answers(await built(whole))
    names = sorted(path.name for path in whole.iterdir())
    assert {Path(name).suffix for name in names} >= set(DATA)
    chance = random.Random(seed)
    for number, name in enumerate(names):
        copy = tmp_path / str(number)
        shutil.copytree(whole, copy)
        if not harm(copy / name, chance):
            continue
        try:
            now = await answers(copy)
        except IndexDamagedError:
            continue
        assert now == truth, name
        must_be_noticed = Path(name).suffix in DATA or name in (RECORDS, ABOUT)
        assert not must_be_noticed or harm in (flip, grow), f"{harm.__name__} of {name} was not noticed"


async def test_a_flipped_bit_in_a_vector_is_noticed_when_it_is_read(whole: Path, tmp_path: Path) -> None:
    """Opening does not read every record: that would take long. Reading one does."""
    copy = tmp_path / "copy"
    shutil.copytree(await built(whole), copy)
    index = TantivyIndex.open(copy, writes=False)
    vector = (await index.get([IDS[1]]))[IDS[1]].vector
    await index.close()
    data = bytearray((copy / RECORDS).read_bytes())
    data[data.index(vector) + 3] ^= 4
    (copy / RECORDS).write_bytes(data)
    index = TantivyIndex.open(copy, writes=False)
    with pytest.raises(IndexDamagedError, match="record"):
        await index.get(IDS)
    with pytest.raises(IndexDamagedError, match="record"):
        await index.search({"甲烷": 1.0}, 100)
    with pytest.raises(IndexDamagedError, match="record"):
        index.check()
    await index.close()


async def test_records_cut_while_they_are_read_are_noticed(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(await built(whole), copy)
    index = TantivyIndex.open(copy, writes=False)
    with (copy / RECORDS).open("r+b") as file:
        file.truncate(1_000)
    with pytest.raises(IndexDamagedError, match="bytes long"):
        await index.search({"甲烷": 1.0}, 100)
    with pytest.raises(IndexDamagedError, match="bytes long"):
        await index.get(IDS)
    await index.close()


async def test_another_format_is_not_read(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(await built(whole), copy)
    said = (copy / ABOUT).read_text().replace("records-1", "records-0")
    (copy / ABOUT).write_text(said)
    with pytest.raises(IndexDamagedError, match="format"):
        TantivyIndex.open(copy, writes=False)
