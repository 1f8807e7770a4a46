"""What the registry can be told from outside."""

from qianqiao_chassis.settings import ServiceSettings


class RegistrySettings(ServiceSettings):
    """The registry needs nothing beyond what every service has; its rules are data files of the package."""
