"""Validation errors of request data, in the same words as the contracts use for events."""

from collections.abc import Sequence
from typing import cast

from pydantic_core import ErrorDetails
from qianqiao_contracts import Violation
from qianqiao_contracts.errors import violation

from qianqiao_chassis.errors import FieldError

MAX_ERRORS = 50
"""A body with thousands of mistakes is not answered with thousands of sentences."""


def field_errors(errors: Sequence[object]) -> list[FieldError]:
    """Return what is wrong, from `errors()` of a pydantic or FastAPI validation error (at most MAX_ERRORS).

    Paths begin with where the value stood: `body.constraints[0].unit`, `query.limit`, `header.If-Match`.
    """
    return [field_error(violation(cast(ErrorDetails, error))) for error in errors[:MAX_ERRORS]]


def field_error(found: Violation) -> FieldError:
    """Return a violation of a contract as an error of a field."""
    return FieldError(found.path, found.code, found.zh, found.en)
