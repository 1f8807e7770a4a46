"""From what a service declared to its HTTP application and its readiness."""

from collections.abc import Sequence

from starlette.types import ASGIApp

from qianqiao_chassis.auth import Authenticator, KeySet, KeySource, UrlKeys
from qianqiao_chassis.clock import Clock
from qianqiao_chassis.health import Health
from qianqiao_chassis.http.app import Edge, build_app
from qianqiao_chassis.http.idempotency import IdempotencyStore
from qianqiao_chassis.http.routes import Routes
from qianqiao_chassis.http.system import is_loopback, system_routes
from qianqiao_chassis.settings import ServiceSettings


def authenticator(settings: ServiceSettings, clock: Clock, keys: KeySource | None = None) -> Authenticator:
    """Return the check of tokens that `settings` ask for; `keys` stands in for the URL (tests)."""
    source = keys or (UrlKeys(settings.jwks_url) if settings.jwks_url else None)
    key_set = KeySet(source, clock) if source is not None else None
    return Authenticator(key_set, clock, issuer=settings.jwt_issuer, audience=settings.jwt_audience)


def http_app(
    health: Health,
    routes: Sequence[Routes],
    settings: ServiceSettings,
    authenticator: Authenticator,
    idempotency: IdempotencyStore,
) -> ASGIApp:
    """Return the application: the service's routes and those every service has. Raises UnsafeRoute."""
    public = settings.metrics_public
    system = system_routes(health, metrics_public=is_loopback(settings.http_host) if public is None else public)
    edge = Edge(
        authenticator,
        idempotency,
        max_body=settings.http_max_body,
        body_timeout_s=settings.http_body_timeout_s,
        body_budget=settings.http_body_budget,
        access_log=settings.http_access_log,
    )
    return build_app(health.service, [*routes, system], edge)
