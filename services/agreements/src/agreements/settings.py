"""Settings of this service: the chassis' own are all it needs; tables of rules are data files, not settings."""

from qianqiao_chassis.settings import ServiceSettings


class AgreementsSettings(ServiceSettings):
    """The environment variables `QIANQIAO_…` of the agreements service."""
