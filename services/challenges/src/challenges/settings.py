"""Settings of this service: the chassis' own are all it needs."""

from qianqiao_chassis.settings import ServiceSettings


class ChallengesSettings(ServiceSettings):
    """The environment variables `QIANQIAO_…` of the challenges service."""
