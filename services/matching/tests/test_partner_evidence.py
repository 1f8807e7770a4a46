"""What speaks for partners: pure rules."""

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from matching.partners.domain.competing import Offering, competes
from matching.partners.domain.evidence import Fit, Prospect, joint, one_to_one, prospect, wanted
from matching.partners.domain.prospects import Prospects, mutual

NOW = datetime(2026, 9, 15, tzinfo=UTC)
LISTINGS = st.integers(0, 4)


def fit(need: str, result: str, probability: float = 0.9, *, turned: bool = False) -> Fit:
    wants, gives = ("b", "a") if turned else ("a", "b")
    return Fit(need=need, result=result, wants=wants, gives=gives, probability=probability)


FITS = st.lists(
    st.builds(
        lambda need, result, probability, turned: fit(
            f"n{need}{turned}", f"r{result}{turned}", probability, turned=turned
        ),
        LISTINGS,
        LISTINGS,
        st.floats(0.5, 1).map(lambda each: round(each, 4)),
        st.booleans(),
    ),
    max_size=14,
)


@given(FITS, st.randoms(use_true_random=False))
def test_each_listing_counts_once_and_the_order_of_arrival_does_not(fits: list[Fit], chance: random.Random) -> None:
    chosen = one_to_one(fits)
    listings = [id for each in chosen for id in (each.need, each.result)]
    assert len(set(listings)) == len(listings)
    shuffled = chance.sample(fits, len(fits))
    assert one_to_one(shuffled) == chosen
    assert one_to_one([*fits, *shuffled]) == chosen
    assert all(not {each.need, each.result}.isdisjoint(listings) for each in fits)


@given(FITS)
def test_both_sides_come_to_the_same(fits: list[Fit]) -> None:
    one, other = prospect("b", fits), prospect("a", fits)
    assert (one and one.model_copy(update={"other": "a"})) == other


@given(FITS)
def test_what_goes_both_ways_never_counts_less(fits: list[Fit]) -> None:
    one_way = [each.model_copy(update={"wants": "a"}) for each in fits]
    assert joint(fits) >= joint(one_way)


def test_a_copy_of_a_result_is_no_second_pair() -> None:
    assert prospect("b", [fit("n1", f"r{number}") for number in range(9)]) is None
    assert prospect("b", [fit("n1", "r1"), fit("n2", "r2")]) is not None
    assert prospect("b", [fit("n1", "r1", 0.5), fit("n2", "r2", 0.5)]) is None
    both = prospect("b", [fit("n1", "r1", 0.5), fit("n2", "r2", 0.5, turned=True)])
    assert both is not None
    assert (both.score, both.band, both.listings) == (0.75, "部分", ("n1", "n2", "r1", "r2"))


def test_what_was_refused_speaks_for_it_no_more() -> None:
    old = [fit("n1", "r1"), fit("n2", "r2")]
    refused = {"n1", "r1", "n2", "r2"}
    assert prospect("b", old, refused) is None
    assert prospect("b", [*old, fit("n3", "r3")], refused) is None
    again = prospect("b", [*old, fit("n3", "r3"), fit("n4", "r4")], refused)
    assert again is not None
    assert again.listings == ("n3", "n4", "r3", "r4")


# ---- the best ------------------------------------------------------------------------------------------------------


def prospect_of(other: str, score: float) -> Prospect:
    return Prospect(other=other, fits=(), score=score)


@given(st.dictionaries(st.sampled_from("bcdefgh"), st.sampled_from([0.7, 0.8, 0.9]), min_size=1), st.data())
def test_a_party_is_looked_at_anew_exactly_when_that_changes_its_best(
    scores: dict[str, float], data: st.DataObject
) -> None:
    everybody = {other: prospect_of(other, score) for other, score in scores.items()}
    held = Prospects(id="a", wanted=wanted(everybody.values()))
    party = data.draw(st.sampled_from("bcdefgh"))
    found = data.draw(st.sampled_from([None, *(prospect_of(party, score) for score in (0.7, 0.8, 0.9))]))
    after = {**everybody, party: found}
    best = wanted(each for each in after.values() if each is not None)
    assert held.would_change(party, found) >= (best != held.wanted)


def test_two_are_mutual_only_where_each_wants_the_other_and_the_first_by_name_tells() -> None:
    a = Prospects(id="a", wanted=(prospect_of("b", 0.8),))
    b = Prospects(id="b", wanted=(prospect_of("a", 0.9), prospect_of("c", 0.7)))
    records = {"a": a, "b": b}
    assert mutual(records, "b", "a") == mutual(records, "a", "b") == prospect_of("b", 0.8)
    assert mutual(records, "b", "c") is None
    assert mutual({"a": a, "b": Prospects(id="b")}, "a", "b") is None


def test_a_look_that_began_earlier_does_not_undo_a_later_one_nor_its_reminder() -> None:
    held = Prospects(id="a")
    held.mark(NOW, spread=True)
    early = held.model_copy()
    held.mark(NOW, spread=False)
    late = held.model_copy()
    held.want((prospect_of("b", 0.9),), late.marks)
    held.done(late)
    held.want((prospect_of("c", 0.9),), early.marks)
    assert held.for_other("b") is not None
    assert (held.due_at(), held.spread) == (None, False)
    held.mark(NOW, spread=True)
    held.done(late)
    assert (held.due_at(), held.spread) == (NOW, True)


# ---- competitors ---------------------------------------------------------------------------------------------------

WORDS = st.frozensets(st.sampled_from("abcdefgh"))


@given(WORDS, WORDS)
def test_competing_is_the_same_from_either_side(one: frozenset[str], other: frozenset[str]) -> None:
    sector = frozenset({"qianqiao:biomedicine"})
    first, second = Offering("enterprise", sector, one), Offering("enterprise", sector, other)
    assert competes(first, second) == competes(second, first)
    assert competes(first, first) == bool(one)
    assert not competes(first, Offering("university", sector, other))
    assert not competes(first, Offering("enterprise", frozenset({"qianqiao:other"}), other))
    if not one & other:
        assert not competes(first, second)


@given(st.integers(0, 400), st.integers(0, 60), st.integers(1, 120))
def test_what_changes_during_a_look_is_looked_at_again_however_long_it_takes(
    after: int, delay: int, lease: int
) -> None:
    held = Prospects.marked("a", NOW, spread=True)
    rest = timedelta(seconds=60)
    assert held.awaits(NOW, spread=True, rest=rest), "the look to come sees it"
    held.begin(NOW, timedelta(seconds=lease))
    begun = held.model_copy()
    due = NOW + timedelta(seconds=after + delay)
    assert not held.awaits(due, spread=True, rest=rest)
    held.mark(due, spread=True, rest=rest)
    held.done(begun)
    assert held.due is not None
    assert held.awaits(held.due, spread=True, rest=rest), "and that look is enough for what changes before it"
