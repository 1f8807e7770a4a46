"""The HTTP edge: what a service's `api.py` needs."""

from qianqiao_chassis.http.bodies import RequestBody
from qianqiao_chassis.http.callers import OPERATOR, Caller, allow, public
from qianqiao_chassis.http.commands import Command, CommandContext
from qianqiao_chassis.http.conditions import etag, if_match
from qianqiao_chassis.http.pages import Page, PageRequest, page
from qianqiao_chassis.http.problems import ProblemView
from qianqiao_chassis.http.routes import Routes, UnsafeRoute

__all__ = [
    "OPERATOR",
    "Caller",
    "Command",
    "CommandContext",
    "Page",
    "PageRequest",
    "ProblemView",
    "RequestBody",
    "Routes",
    "UnsafeRoute",
    "allow",
    "etag",
    "if_match",
    "page",
    "public",
]
