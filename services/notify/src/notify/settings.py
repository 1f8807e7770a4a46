"""Settings of notify. Without those of a channel the service runs, and that channel's messages are held."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from qianqiao_chassis.errors import Invalid
from qianqiao_chassis.settings import ServiceSettings

from notify.domain.address import email_address


class NotifySettings(ServiceSettings):
    """What notify needs beside what every service needs."""

    portal_url: str = Field(
        "http://127.0.0.1:8080",
        description="消息中链接所指的门户地址 / address of the portal that links in messages lead to",
        examples=["https://qianqiao.example.cn"],
    )
    smtp_host: str | None = Field(
        None,
        description="邮件服务器；未设置时邮件暂存，设置后自动发送 / "
        "mail server; without it e-mails are held, and sent once it is set",
        examples=["smtp.example.cn"],
    )
    smtp_port: int = Field(587, ge=1, le=65535, description="邮件服务器端口 / its port", examples=[587])
    smtp_tls: Literal["starttls", "implicit", "none"] = Field(
        "starttls",
        description="加密：starttls（必须）、implicit（465 端口）、none（仅限本机转发且无登录）/ "
        "protection: starttls (demanded), implicit (port 465), none (a relay on this machine only, without login)",
        examples=["starttls"],
    )
    smtp_username: str | None = Field(None, description="邮件账号 / account", examples=["notify@example.cn"])
    smtp_password: SecretStr | None = Field(None, description="邮件账号密码 / its password", examples=["…"])
    smtp_ca_file: str | None = Field(
        None,
        description="邮件服务器证书的 CA 文件（PEM），默认用系统信任库 / "
        "file of the CA that signed the server's certificate (PEM); by default the system's trusted ones",
        examples=["/etc/qianqiao/mail-ca.pem"],
    )
    smtp_helo: str | None = Field(
        None, description="EHLO 中的本机名 / name this machine gives in EHLO", examples=["notify.example.cn"]
    )
    smtp_timeout_s: float = Field(
        30.0, gt=0, description="每条 SMTP 命令的时限（秒）/ time limit of one SMTP command, in seconds", examples=[30]
    )
    smtp_answer_s: float = Field(
        600.0,
        gt=0,
        description="正文发完后等待答复的时限（秒）；过短会造成重复邮件 / "
        "wait for the answer after the final dot, in seconds; a short one makes duplicates",
        examples=[600],
    )
    smtp_connections: int = Field(
        4, ge=1, le=32, description="同时的邮件连接数 / connections to the mail server", examples=[4]
    )
    mail_from: str | None = Field(
        None,
        description="发件地址，设置了邮件服务器时必填；其域名用于 Message-ID / "
        "sender address, required with a mail server; its domain is used in Message-ID",
        examples=["noreply@notify.example.cn"],
    )
    mail_from_name: str = Field("牵桥", max_length=40, description="发件人名称 / sender's name", examples=["牵桥"])
    sms_url: str | None = Field(
        None,
        description="短信网关的 sendsms 地址（Kannel 方言）；未设置时短信暂存，设置后自动发送 / "
        "sendsms URL of the SMS gateway (Kannel dialect); without it texts are held, and sent once it is set",
        examples=["http://127.0.0.1:13013/cgi-bin/sendsms"],
    )
    sms_method: Literal["GET", "POST"] = Field(
        "GET",
        description="调用网关的方法；GET 会把密码写进网址，只用于本机网关 / "
        "method towards the gateway; GET puts the password into the URL, so only for one on this machine",
        examples=["POST"],
    )
    sms_username: str = Field("", description="网关账号 / gateway account", examples=["notify"])
    sms_password: SecretStr = Field(SecretStr(""), description="网关密码 / gateway password", examples=["…"])
    sms_sender: str | None = Field(None, description="发送号码 / number to send from", examples=["1069000000"])
    sms_signature: str = Field(
        "【牵桥】",
        max_length=20,
        description="短信签名，含【】，须已在运营商报备 / "
        "signature before every text, brackets included, as filed with the operators",
        examples=["【技转平台】"],
    )
    sms_timeout_s: float = Field(
        30.0, gt=0, description="网关答复的时限（秒）/ time limit of the gateway's answer, in seconds", examples=[30]
    )
    sms_ca_file: str | None = Field(
        None,
        description="网关证书的 CA 文件（PEM）/ file of the CA that signed the gateway's certificate",
        examples=[""],
    )
    receipt_base_url: str | None = Field(
        None,
        description="网关可访问的本服务地址，用于短信回执；未设置则不要回执 / "
        "address of this service as the gateway reaches it, for receipts; without it none are asked for",
        examples=["http://notify:8000"],
    )
    receipt_key: SecretStr | None = Field(
        None,
        min_length=16,
        description="回执地址的签名密钥，各进程相同，至少 16 字符；与 receipt_base_url 一同设置 / "
        "key that signs receipt URLs, the same in all processes, 16 characters or more; set with receipt_base_url",
        examples=["…"],
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.smtp_host and not self.mail_from:
            raise ValueError("设置了 smtp_host 时必须设置 mail_from / mail_from is required with smtp_host")
        if self.mail_from:
            try:
                email_address(self.mail_from)
            except Invalid as error:
                raise ValueError(f"mail_from: {error.zh} / {error.en}") from error
        if self.smtp_tls == "none" and self.smtp_username:
            raise ValueError(
                "smtp_tls=none 时不能登录：密码会以明文发送 / no login without TLS: the password would travel in clear"
            )
        if (self.receipt_base_url is None) != (self.receipt_key is None):
            raise ValueError(
                "receipt_base_url 与 receipt_key 须一同设置 / receipt_base_url and receipt_key are set together"
            )
        return self
