"""The demonstration: the salon morning, played on a running stack. See :func:`play`."""

from qianqiao_stack.demo.story import play

__all__ = ["play"]
