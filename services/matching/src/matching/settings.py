"""Settings of this service; rules of matching are data files, not settings."""

from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from qianqiao_chassis.settings import ServiceSettings


class IndexWriter(StrEnum):
    """Which process writes the index on disk."""

    INSIDE = "inside"
    APART = "apart"


class MatchingSettings(ServiceSettings):
    """The environment variables `QIANQIAO_…` of the matching service."""

    second_look_s: float = Field(
        5.0,
        gt=0,
        le=600,
        description="变更之后多少秒再看一次 / seconds after a change until it is looked at a second time",
        examples=[5],
    )
    overlap_s: float = Field(
        2.0,
        ge=0.1,
        le=60,
        description="索引追赶时向前重叠的秒数，须大于各进程的时钟偏差 / "
        "seconds by which readings of the store overlap; keep it above the clock difference between processes",
        examples=[2],
    )
    reread_s: float = Field(
        0.25,
        ge=0,
        le=5,
        description="多少秒之内不重复追赶其他进程的变更（同时到达的由第二次查看补上）/ "
        "seconds for which a reading of other processes' changes is fresh; the second look finds what met in between",
        examples=[0.25],
    )
    settle_every_s: float = Field(
        0.5,
        gt=0,
        le=60,
        description="每隔多少秒把新条目并入候选索引（新条目随时可查到）/ "
        "seconds between commits of the candidate index; fresh items are found all the same",
        examples=[0.5],
    )
    index_dir: str = Field(
        "",
        description="候选索引所在目录；空 = 放在内存中，每次启动时重建 / "
        "directory of the candidate indexes; empty = in memory, built anew at each start",
        examples=["/var/lib/qianqiao/matching"],
    )
    index_writer: IndexWriter = Field(
        IndexWriter.INSIDE,
        description="谁写目录中的索引：inside = 取得锁的服务进程；apart = 另外运行的 `python -m matching index` / "
        "who writes the indexes of the directory: inside = the process of the service that gets the lock; "
        "apart = a process of its own, `python -m matching index`",
        examples=["apart"],
    )
    model_file: str = Field(
        "",
        description="`python -m matching fit` 写出的模型文件；空 = 随服务所带的模型 / "
        "the model file that `python -m matching fit` wrote; empty = the model that comes with the service",
        examples=["/etc/qianqiao/matching-model.bin"],
    )
    model_look_s: float = Field(
        30.0,
        ge=0.1,
        le=3600,
        description="每隔多少秒看一次模型文件是否换了 / seconds between looks at whether the model file was replaced",
        examples=[30],
    )
    search_fresh_s: float = Field(
        1.0,
        ge=0,
        le=60,
        description="检索最多落后存储多少秒 / seconds by which a search may lag behind the store",
        examples=[1],
    )
    opensearch_url: SecretStr | None = Field(
        None,
        description="OpenSearch 地址，逗号分隔（可含用户名和密码，不会写入日志）；设置后匹配索引放在其中，各进程共用 / "
        "addresses of OpenSearch, separated by commas (may hold user and password, never logged); "
        "with it the index of matching is kept there and shared by all processes",
        examples=["https://matching:…@search-1:9200,https://matching:…@search-2:9200"],
    )
    opensearch_ca_file: str | None = Field(
        None,
        description="OpenSearch 证书的 CA 文件（PEM）/ file of the CA that signed OpenSearch's certificate (PEM)",
        examples=["/etc/qianqiao/opensearch-ca.pem"],
    )
    embedding: Literal["none", "openai", "onnx"] = Field(
        "none",
        description="语义向量模型：none（不用）、openai（/v1/embeddings 接口）、onnx（本地目录）/ "
        "embedding model: none, openai (any server of /v1/embeddings), onnx (a local folder)",
        examples=["none"],
    )
    embedding_url: str | None = Field(
        None,
        description="openai 方式的服务地址，不含 /v1 / address of the server, without /v1",
        examples=["http://127.0.0.1:8081"],
    )
    embedding_model: str | None = Field(
        None, description="openai 方式的模型名 / name of its model", examples=["bge-m3"]
    )
    embedding_key: SecretStr | None = Field(None, description="openai 方式的密钥 / its key", examples=["…"])
    embedding_dimensions: int | None = Field(
        None,
        ge=8,
        le=8192,
        description="向量维数；设置后随请求发送，答复不符即不用 / "
        "dimensions; if set they are asked for, and other answers are not used",
        examples=[1024],
    )
    embedding_query_prefix: str = Field(
        "", description="查询文本的前缀，按模型要求 / prefix of queries, as the model wants it", examples=["query: "]
    )
    embedding_passage_prefix: str = Field(
        "",
        description="条目文本的前缀，按模型要求 / prefix of listed texts, as the model wants it",
        examples=["passage: "],
    )
    embedding_folder: str | None = Field(
        None,
        description="onnx 方式的目录，含 model.onnx、tokenizer.json、pooling.json / "
        "folder with model.onnx, tokenizer.json and pooling.json",
        examples=["/var/lib/qianqiao/model"],
    )

    @model_validator(mode="after")
    def _embedding_is_complete(self) -> Self:
        needed = {"none": (), "openai": ("embedding_url", "embedding_model"), "onnx": ("embedding_folder",)}
        if missing := [name for name in needed[self.embedding] if not getattr(self, name)]:
            names = ", ".join(missing)
            raise ValueError(f"embedding={self.embedding} 还需要 {names} / also needs {names}")
        return self
