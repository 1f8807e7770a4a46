"""Routes every service has: health, metrics, and the page that explains its API."""

from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from qianqiao_chassis.health import Health, HealthView
from qianqiao_chassis.http.callers import OPERATOR, allow, public
from qianqiao_chassis.http.reference import POLICY, reference_page
from qianqiao_chassis.http.routes import Routes
from qianqiao_chassis.telemetry import METRICS_MEDIA_TYPE, metrics_text


def system_routes(health: Health, *, metrics_public: bool) -> Routes:
    """Return /health/live, /health/ready, /docs and /metrics (for operators only unless `metrics_public`)."""
    routes = Routes(tags=["system"])

    @routes.get("/health/live", dependencies=[public()])
    async def live() -> HealthView:
        """进程存活 / The process answers."""
        return HealthView(status="alive", service=health.service)

    @routes.get("/health/ready", dependencies=[public()], responses={503: {"model": HealthView}})
    async def ready(response: Response) -> HealthView:
        """可以接收请求；503 时说明缺什么 / It should be given work; 503 says what is missing."""
        view = await health.ready()
        response.status_code = 200 if view.status == "ready" else 503
        response.headers["Cache-Control"] = "no-store"
        return view

    access: Any = public() if metrics_public else allow(OPERATOR)

    @routes.get("/metrics", dependencies=[access], response_class=Response)
    async def metrics() -> Response:
        """Prometheus 文本 / Prometheus text."""
        return Response(metrics_text(), media_type=METRICS_MEDIA_TYPE)

    @routes.get("/docs", dependencies=[public()], include_in_schema=False, response_class=HTMLResponse)
    async def docs(request: Request) -> HTMLResponse:
        """接口说明 / The API, for people."""
        return HTMLResponse(reference_page(request.app.openapi()), headers={"Content-Security-Policy": POLICY})

    return routes


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    return host in {"localhost", "::1"} or host.startswith("127.")
