"""The relay suite with a recording publisher, on every store given."""

from qianqiao_chassis.testing.conformance.relay import RelaySuite


class TestRelay(RelaySuite):
    pass
