"""The store suites on every engine given."""

from qianqiao_chassis.testing.conformance.projection import ProjectionSuite
from qianqiao_chassis.testing.conformance.store import RepositorySuite


class TestRepository(RepositorySuite):
    pass


class TestProjection(ProjectionSuite):
    pass
