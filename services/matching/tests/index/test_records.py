"""Records read in one loop are what they are one by one, wherever they stand, and damage is noticed in both."""

import os
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matching.engine.index import records
from matching.engine.index.port import Entry, Held, IndexDamagedError, Versions
from matching.engine.index.records import Records, encode

IDS = st.uuids().flatmap(lambda id: st.sampled_from([f"result-{id}", f"need-{id}", str(id), "甲"]))
NUMBERS = st.integers(0, 255) | st.integers(0, 2**32 - 1)
ENTRIES = st.builds(
    Entry,
    id=IDS,
    versions=st.builds(Versions, NUMBERS, st.integers(0, 9), st.integers(0, 9)),
    is_open=st.booleans(),
    terms=st.just({}),
    vector=st.integers(0, 3_000).map(os.urandom),
)


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_WINDOW", 1 << 14)


def written(entries: list[Entry]) -> tuple[Records, list[int]]:
    made = Records.in_memory()
    places = made.append([encode(entry) for entry in entries])
    made.see(made._end)
    return made, places


@given(st.lists(ENTRIES, min_size=1, max_size=30))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_read_is_what_was_written(small_windows: None, entries: list[Entry]) -> None:
    made, places = written(entries)
    expected = [Held(each.id, each.versions, each.is_open, each.vector if each.is_open else b"") for each in entries]
    assert made.read(places) == [made.read([at])[0] for at in places] == expected
    assert made.read(places * 9) == expected * 9
    made.close()


@pytest.mark.parametrize("where", ["length", "checksum", "kind", "id", "vector"])
def test_a_flipped_bit_is_damage(small_windows: None, where: str) -> None:
    entries = [Entry(f"result-{UUID(int=n)}", Versions(1, 1), True, {}, bytes(500)) for n in range(40)]
    made, places = written(entries)
    assert len(made.read(places)) == 40
    at = places[21] + {"length": 1, "checksum": 5, "kind": 8, "id": 20, "vector": 200}[where]
    (byte,) = os.pread(made._descriptor, 1, at)
    os.pwrite(made._descriptor, bytes([byte ^ 4]), at)
    with pytest.raises(IndexDamagedError):
        made.read(places)
    assert len(made.read(places[:20])) == 20
    for elsewhere in (made._mapped - 3, made._mapped + 9, 1 << 40):
        with pytest.raises(IndexDamagedError):
            made.read([*places[:20], elsewhere])
    made.close()
