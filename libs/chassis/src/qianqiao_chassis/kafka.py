"""How to reach a Kafka cluster, for the producer and the consumer alike."""

import ssl
from dataclasses import dataclass, field
from typing import Any, Literal

from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

type Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

_SASL = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Bootstrap servers ("host:port,host:port"), and TLS and SASL where the cluster asks for them.

    `ca_file` may name a private authority; without it the machine's own are trusted.
    """

    bootstrap: str
    tls: bool = False
    ca_file: str | None = None
    mechanism: Mechanism | None = None
    username: str = ""
    password: str = field(default="", repr=False)

    @property
    def servers(self) -> list[str]:
        """The bootstrap servers, one by one."""
        return [server.strip() for server in self.bootstrap.split(",") if server.strip()]

    def security(self) -> BaseSecurity | None:
        """The same for FastStream. Raises ssl.SSLError or OSError when `ca_file` cannot be read."""
        context = self._ssl_context()
        if self.mechanism is not None:
            return _SASL[self.mechanism](self.username, self.password, ssl_context=context)
        return BaseSecurity(ssl_context=context) if context else None

    def client_options(self) -> dict[str, Any]:
        """The same for an aiokafka client. Raises ssl.SSLError or OSError when `ca_file` cannot be read."""
        context = self._ssl_context()
        options: dict[str, Any] = {"bootstrap_servers": self.servers}
        if context is not None:
            options["ssl_context"] = context
        if self.mechanism is None:
            return {**options, "security_protocol": "SSL" if context else "PLAINTEXT"}
        return {
            **options,
            "security_protocol": "SASL_SSL" if context else "SASL_PLAINTEXT",
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
        }

    def _ssl_context(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=self.ca_file) if self.tls else None
