"""Slots: no more probes under way than there may be, and nobody is held up for another's sake."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from exporter.slots import Slots, Wait


@dataclass
class Begun:
    """Which probes have begun, in their order."""

    names: list[str] = field(default_factory=list)

    def ask(self, slots: Slots, host: str, name: str = "") -> Wait:
        return slots.ask(host, lambda: self.names.append(name or host))


def test_the_total_is_never_exceeded_and_the_next_begins_when_one_ends() -> None:
    slots, begun = Slots(2, 2), Begun()
    for host in "abc":
        begun.ask(slots, host)
    assert begun.names == ["a", "b"]
    slots.release("a")
    assert begun.names == ["a", "b", "c"]


def test_a_busy_host_waits_for_itself_and_holds_up_no_other() -> None:
    slots, begun = Slots(10, 1), Begun()
    for host, name in (("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1")):
        begun.ask(slots, host, name)
    assert begun.names == ["a1", "b1"]
    slots.release("a")
    assert begun.names == ["a1", "b1", "a2"]


def test_who_waits_for_a_busy_host_takes_no_slot_of_the_total() -> None:
    slots, begun = Slots(2, 1), Begun()
    for host, name in (("a", "a1"), ("a", "a2"), ("b", "b1")):
        begun.ask(slots, host, name)
    assert begun.names == ["a1", "b1"]


def test_those_who_gave_up_waiting_are_passed_over() -> None:
    slots, begun = Slots(1, 1), Begun()
    begun.ask(slots, "a", "a1")
    begun.ask(slots, "a", "a2").cancel()
    begun.ask(slots, "b", "b1").cancel()
    begun.ask(slots, "a", "a3")
    slots.release("a")
    assert begun.names == ["a1", "a3"]
    slots.release("a")
    begun.ask(slots, "b", "b2")
    assert begun.names == ["a1", "a3", "b2"]


def test_a_greater_limit_lets_those_begin_who_wait() -> None:
    slots, begun = Slots(1, 1), Begun()
    for name in ("a1", "a2", "a3"):
        begun.ask(slots, "a", name)
    slots.resize(2, 2)
    assert begun.names == ["a1", "a2"]


def test_a_smaller_limit_ends_nothing_and_lets_nobody_begin_too_early() -> None:
    slots, begun = Slots(3, 3), Begun()
    for name in ("a1", "a2", "a3"):
        begun.ask(slots, "a", name)
    slots.resize(1, 1)
    begun.ask(slots, "a", "a4")
    slots.release("a")
    slots.release("a")
    assert begun.names == ["a1", "a2", "a3"]
    slots.release("a")
    assert begun.names == ["a1", "a2", "a3", "a4"]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from("abc")),
        st.tuples(st.sampled_from(["cancel", "release"]), st.integers(0, 50)),
    ),
    max_size=80,
)


@given(st.integers(1, 4), st.integers(1, 3), STEPS)
def test_limits_hold_and_all_who_wait_begin_in_the_end(
    total: int, per_host: int, steps: list[tuple[str, str | int]]
) -> None:
    slots = Slots(total, per_host)
    running: list[str] = []
    waits: list[tuple[Wait, str]] = []
    begun: set[int] = set()

    def ask(host: str) -> None:
        number = len(waits)

        def begin() -> None:
            running.append(host)
            begun.add(number)

        waits.append((slots.ask(host, begin), host))

    cancelled: set[int] = set()
    for step, what in steps:
        if step == "ask":
            ask(str(what))
        elif step == "release" and running:
            slots.release(running.pop(int(what) % len(running)))
        elif step == "cancel" and waits and (number := int(what) % len(waits)) not in begun:
            waits[number][0].cancel()
            cancelled.add(number)
        assert len(running) <= total
        assert all(count <= per_host for count in Counter(running).values())
    while running:
        slots.release(running.pop())
    assert begun == set(range(len(waits))) - cancelled
