"""Settings every service has, read from the environment (QIANQIAO_…); each says what it means."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from qianqiao_chassis.kafka import KafkaConnection

PREFIX = "QIANQIAO_"


class ServiceSettings(BaseSettings):
    """What the chassis needs to know. A service subclasses it and adds its own fields, every one with a description."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True)

    kafka_bootstrap: str = Field(
        "127.0.0.1:9092",
        description="Kafka 地址，逗号分隔 / Kafka addresses, separated by commas",
        examples=["kafka-1:9092,kafka-2:9092"],
    )
    kafka_tls: bool = Field(False, description="用 TLS 连接 Kafka / reach Kafka over TLS", examples=[True])
    kafka_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="Kafka 的 SASL 机制 / SASL mechanism towards Kafka", examples=["SCRAM-SHA-512"]
    )
    kafka_username: str | None = Field(
        None, description="Kafka 用户名（SASL）/ user name towards Kafka (SASL)", examples=["registry"]
    )
    kafka_password: SecretStr | None = Field(
        None, description="Kafka 密码（SASL）/ password towards Kafka (SASL)", examples=["…"]
    )
    kafka_ca_file: str | None = Field(
        None,
        description="Kafka 证书的 CA 文件（PEM）/ file of the CA that signed Kafka's certificate (PEM)",
        examples=["/etc/qianqiao/kafka-ca.pem"],
    )
    mongo_url: SecretStr = Field(
        SecretStr("mongodb://127.0.0.1:27017"),
        description="MongoDB 连接串（可含密码，不会写入日志）/ MongoDB URL (may hold a password, never logged)",
        examples=["mongodb://registry:…@mongo-1,mongo-2/?replicaSet=rs0"],
    )
    mongo_database: str | None = Field(
        None,
        description="数据库名，默认为服务名 / database, by default the service's name",
        examples=["registry"],
    )
    mongo_concurrency: int = Field(
        8, ge=1, le=256, description="同时进行的存储操作上限 / store operations in flight at most", examples=[8]
    )
    http_host: str = Field("127.0.0.1", description="HTTP 监听地址 / address to listen on", examples=["0.0.0.0"])  # noqa: S104 - an example
    http_port: int = Field(
        8000, ge=0, le=65535, description="HTTP 端口，0 为任意空闲端口 / port, 0 takes a free one", examples=[8001]
    )
    http_max_body: int = Field(
        1_048_576, ge=1024, description="请求体上限（字节）/ largest request body in bytes", examples=[1_048_576]
    )
    http_body_timeout_s: float = Field(
        20.0, gt=0, description="接收请求体的时限（秒）/ time to receive a request body, in seconds", examples=[20]
    )
    http_body_budget: int = Field(
        67_108_864,
        ge=1024,
        description="本进程同时持有的请求体总上限（字节），超出时答 503；至少容得下一个最大的请求体 / "
        "bytes of request bodies that a process holds at one time, 503 beyond; one largest body always fits",
        examples=[67_108_864],
    )
    http_access_log: bool = Field(
        False, description="记录每个请求一行日志 / one log line for each request", examples=[True]
    )
    jwks_url: str | None = Field(
        None,
        description="验证令牌的公钥集（http(s):// 或 file://）；未设置时凡需登录的请求都被拒绝 / "
        "key set that tokens are checked against; without it every call that needs a token is refused",
        examples=["https://login.example.org/jwks.json", "file:///etc/qianqiao/jwks.json"],
    )
    jwt_issuer: str = Field(
        "qianqiao", description="令牌签发者 iss / issuer (iss) of tokens", examples=["https://login.example.org"]
    )
    jwt_audience: str = Field("qianqiao", description="令牌受众 aud / audience (aud) of tokens", examples=["qianqiao"])
    otlp_endpoint: str | None = Field(
        None,
        description="OpenTelemetry 收集器（OTLP/HTTP）；未设置则不上报 / "
        "collector (OTLP over HTTP); without it nothing is sent",
        examples=["http://otel-collector:4318"],
    )
    trace_ratio: float = Field(
        0.01,
        ge=0,
        le=1,
        description="采样比例，跟随上游的决定 / share of traces kept, following the caller's decision",
        examples=[0.01],
    )
    metrics_public: bool | None = Field(
        None,
        description="/metrics 是否免登录；默认仅在监听本机地址时免登录 / whether /metrics needs no token; "
        "by default only when listening on a loopback address",
        examples=[True],
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="日志级别 / log level", examples=["DEBUG"]
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto",
        description="日志格式，auto：终端上用文本，否则 JSON / auto: text on a terminal, else JSON",
        examples=["json"],
    )
    startup_wait_s: float = Field(
        30.0,
        ge=0,
        description="启动时等待 Kafka 主题和存储就绪的时间（秒）/ how long to wait at start for topics and store",
        examples=[30],
    )
    stop_grace_s: float = Field(
        20.0,
        gt=0,
        description="收到停止信号后完成手头工作的时限（秒），须小于编排系统的宽限 / "
        "time to finish what is in hand after a stop signal; keep it below the orchestrator's own",
        examples=[20],
    )
    outbox_max_age_s: float = Field(
        30.0,
        gt=0,
        description="最旧未发布事件超过此秒数时不再就绪 / not ready while the oldest unpublished event is older",
        examples=[30],
    )

    def kafka_connection(self) -> KafkaConnection:
        """Return how to reach Kafka."""
        password = self.kafka_password.get_secret_value() if self.kafka_password else ""
        return KafkaConnection(
            self.kafka_bootstrap,
            tls=self.kafka_tls,
            ca_file=self.kafka_ca_file,
            mechanism=self.kafka_mechanism,
            username=self.kafka_username or "",
            password=password,
        )


def settings_rows(kind: type[ServiceSettings]) -> Iterator[tuple[str, str, str, str]]:
    """Yield (variable, default, example, description) for each setting; raise ValueError for one not described."""
    for name, info in kind.model_fields.items():
        if not info.description:
            raise ValueError(f"{kind.__name__}.{name} has no description")
        default = "（必填 / required）" if info.is_required() else _shown(info.get_default(call_default_factory=True))
        example = _shown(info.examples[0]) if info.examples else ""
        yield f"{PREFIX}{name.upper()}", default, example, info.description


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return "" if value is None else f"`{value}`"


def settings_table(kind: type[ServiceSettings]) -> str:
    """Return the settings of a service as a Markdown table, for its README."""
    lines = ["| 变量 / variable | 默认 / default | 例 / example | 说明 / meaning |", "| --- | --- | --- | --- |"]
    for row in settings_rows(kind):
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in (f"`{row[0]}`", *row[1:])) + " |")
    return "\n".join(lines) + "\n"
