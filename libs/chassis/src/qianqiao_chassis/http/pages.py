"""Lists in pages: an opaque cursor says where the next page begins."""

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from pydantic import BaseModel

from qianqiao_chassis.errors import FieldError, Invalid

_CHECK_BYTES = 6


class Page[T](BaseModel):
    """One page of a list. `next` is the `cursor` of the next page, None on the last one."""

    items: list[T]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page is asked for: `limit` items after the item `after` (None: from the beginning)."""

    limit: int
    after: str | None
    scope: str

    @property
    def fetch(self) -> int:
        """How many items to read from the store: one more than shown, to know whether another page follows."""
        return self.limit + 1

    def of[A, T](
        self, found: Sequence[A], view: Callable[[A], T], *, key: Callable[[A], str] | None = None
    ) -> "Page[T]":
        """Make the page from `found` (up to `fetch` items), shown by `view`; `key` gives an item's id.

        Without `key`, the id is the item's attribute or member `id`.
        """
        shown = found[: self.limit]
        more = len(found) > self.limit
        cursor = encode_cursor((key or _id_of)(shown[-1]), self.scope) if more and shown else None
        return Page(items=[view(item) for item in shown], next=cursor)


def _id_of(item: Any) -> str:
    return str(item["id"] if isinstance(item, dict) else item.id)


def _check(position: bytes, scope: str) -> bytes:
    return hashlib.blake2s(position, key=scope.encode()[:32], person=b"qqcursor", digest_size=_CHECK_BYTES).digest()


def encode_cursor(position: str, scope: str) -> str:
    """Return an opaque cursor for `position` in the list `scope`."""
    raw = position.encode()
    return base64.urlsafe_b64encode(_check(raw, scope) + raw).rstrip(b"=").decode()


def decode_cursor(cursor: str, scope: str) -> str:
    """Return the position in `cursor`; raise Invalid (code `cursor-invalid`) if it was altered or is another list's.

    The check value finds mistakes, it is no secret: what a caller may see is decided by the query, not by the cursor.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        position = raw[_CHECK_BYTES:].decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raw, position = b"", ""
    if not position or raw[:_CHECK_BYTES] != _check(raw[_CHECK_BYTES:], scope):
        zh = "分页游标无效：请原样使用上一页返回的 next，且筛选条件保持不变。"
        en = "The cursor is not valid: use `next` of the previous page as it is, with the same filters."
        raise Invalid("cursor-invalid", zh, en, errors=[FieldError("query.cursor", "cursor-invalid", zh, en)])
    return position


def list_scope(request: Request) -> str:
    """Name the list a request reads: its path and filters. A cursor of one list is refused by another."""
    filters = sorted((k, v) for k, v in request.query_params.multi_items() if k not in {"cursor", "limit"})
    return hashlib.sha256(repr((request.url.path, filters)).encode()).hexdigest()[:32]


def page(default: int = 20, maximum: int = 100) -> Any:
    """Read `limit` and `cursor`: `asked: Annotated[PageRequest, page()]`, then `asked.of(found, view)`.

    Read `asked.fetch` items after `asked.after` from the store.
    """

    async def read(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=maximum, description="每页条数。 / Items per page.")] = default,
        cursor: Annotated[
            str | None, Query(max_length=512, description="上一页的 next。 / `next` of the previous page.")
        ] = None,
    ) -> PageRequest:
        scope = list_scope(request)
        return PageRequest(limit, decode_cursor(cursor, scope) if cursor is not None else None, scope)

    return Depends(read)
