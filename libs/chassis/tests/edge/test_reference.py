"""The page that explains a service's API to a person."""

import base64
import hashlib
import re
from html.parser import HTMLParser

from edge_sample import SampleSettings
from qianqiao_chassis.http.reference import reference_page
from qianqiao_chassis.testing.harness import Harness


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.unclosed: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unclosed.append(tag)


async def test_every_route_of_the_document_is_on_the_page_with_who_may_call_it(h: Harness[SampleSettings]) -> None:
    document = (await h.client().get("/openapi.json")).json()
    page = (await h.client().get("/docs")).text
    routes = [(verb.upper(), path) for path, operations in document["paths"].items() for verb in operations]
    assert len(routes) > 3
    for verb, path in routes:
        assert f'<span class="verb">{verb}</span> <code>{path}</code>' in page
    assert page.count("who may call: ") == len(routes)
    checked = _Page()
    checked.feed(page)
    assert (checked.open, checked.unclosed) == ([], [])


async def test_its_policy_allows_its_own_style_and_nothing_else(h: Harness[SampleSettings]) -> None:
    answer = await h.client().get("/docs")
    styles = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(styles[0].encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert len(styles) == 1
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "<script" not in answer.text


def test_text_of_the_document_cannot_become_markup() -> None:
    nasty = "</pre><script>alert(1)</script>"
    page = reference_page(
        {
            "info": {"title": nasty},
            "paths": {
                f"/{nasty}": {
                    "post": {
                        "description": nasty,
                        "x-allowed-roles": [nasty],
                        "parameters": [{"name": nasty, "in": "query", "description": nasty}],
                        "requestBody": {"content": {nasty: {"schema": {"title": nasty}}}},
                    }
                }
            },
        }
    )
    assert "<script" not in page
