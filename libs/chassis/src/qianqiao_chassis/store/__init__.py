"""The document store: aggregates with their outbox, projections, parked records."""

from qianqiao_chassis.store.client import Store
from qianqiao_chassis.store.projection import Projection
from qianqiao_chassis.store.query import Index
from qianqiao_chassis.store.repository import Repository

__all__ = ["Index", "Projection", "Repository", "Store"]
