"""The store suites on every engine given."""

from qianqiao_chassis.testing.conformance.store import ProjectionSuite, RepositorySuite


class TestRepository(RepositorySuite):
    pass


class TestProjection(ProjectionSuite):
    pass
