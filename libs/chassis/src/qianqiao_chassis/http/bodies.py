"""What a request body is made of."""

from pydantic import BaseModel, ConfigDict


class RequestBody(BaseModel):
    """Base of the models that routes read: an unknown field is an error, so that a misspelt one is not lost."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=False)
