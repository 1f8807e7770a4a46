"""Handling, parking and retrying on every store given."""

from qianqiao_chassis.testing.conformance.dispatch import DispatchSuite


class TestDispatch(DispatchSuite):
    pass
