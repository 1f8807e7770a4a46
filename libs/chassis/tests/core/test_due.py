"""The due loop's suite on every store given."""

from qianqiao_chassis.testing.conformance.due import DueSuite


class TestDue(DueSuite):
    pass
