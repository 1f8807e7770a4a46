"""Bodies with which two sides confirm that a need is solved or a result taken."""

from typing import Annotated

from pydantic import Field
from qianqiao_chassis.http import RequestBody
from qianqiao_contracts.values import Id, bounded


class Settle(RequestBody):
    """With whom it happened, and how. It waits until the partner confirms it."""

    partner: Id = Field(description="合作方主体标识 · Party it happened with")
    statement: Annotated[str, bounded("reason")] = Field(description="如何解决或采用 · How it was done")


class Take(Settle):
    """With whom a result was taken, how, and whether nobody else may take it."""

    exclusive: bool = Field(default=False, description="是否独占 · Whether nobody else may take it")


class Confirm(RequestBody):
    """Which of the waiting confirmations is given; an agreement waits under its own id."""

    settlement: Id = Field(description="待确认事项标识 · Which one")
