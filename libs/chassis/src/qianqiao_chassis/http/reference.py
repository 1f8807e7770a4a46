"""The page on which a person reads what a service's API offers: made from its OpenAPI document, without scripts.

It is served by the service itself and needs nothing from another host, so it works offline and under a policy that
allows no scripts at all.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

_STYLE: Final = """
body{font:15px/1.6 system-ui,"Noto Sans CJK SC","Microsoft YaHei",sans-serif;max-width:60rem;margin:2rem auto;
padding:0 1rem;color:#1c2733}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem;border-bottom:1px solid #d5dde5}
details{margin:.4rem 0;padding:.4rem .7rem;border:1px solid #d5dde5;border-radius:.4rem}summary{cursor:pointer}
code,pre{font-family:ui-monospace,monospace;font-size:.9em}pre{overflow:auto;background:#f4f7f9;padding:.6rem}
.verb{display:inline-block;min-width:4.2rem;font-weight:700}.who{color:#52616f;font-size:.9em}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.2rem .6rem .2rem 0}
""".strip()
_STYLE_DIGEST: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY: Final = f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; frame-ancestors 'none'; base-uri 'none'"
"""Content-Security-Policy of the page: its own style sheet by digest, nothing else."""
_VERBS: Final = ("get", "post", "put", "patch", "delete")


def reference_page(document: Mapping[str, Any]) -> str:
    """Return the page for an OpenAPI document as HTML."""
    title = escape(document["info"]["title"])
    groups: dict[str, list[str]] = {}
    for path, operations in document.get("paths", {}).items():
        for verb in _VERBS:
            if verb in operations:
                tag = (operations[verb].get("tags") or ["API"])[0]
                groups.setdefault(tag, []).append(_operation(verb, path, operations[verb], document))
    body = "".join(f"<h2>{escape(tag)}</h2>{''.join(parts)}" for tag, parts in groups.items())
    return (
        f'<!doctype html><html lang="zh-Hans"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
        f"<h1>{title} · 接口 API</h1><p>机器可读的全文 for machines: <a href='/openapi.json'>openapi.json</a>。"
        "出错时的答复都是 RFC 9457 的格式，带稳定的代码、中文与英文。 "
        "Every error is an RFC 9457 problem with a stable code, in Chinese and English.</p>"
        f"{body}</body></html>"
    )


def _operation(verb: str, path: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    text = escape(operation.get("description") or operation.get("summary") or "")
    roles = escape("、".join(operation.get("x-allowed-roles", [])).replace("*", "所有人 everyone"))
    return (
        f'<details><summary><span class="verb">{verb.upper()}</span> <code>{escape(path)}</code>'
        f'<br><span class="who">{text}</span></summary><p class="who">谁可以调用 who may call: {roles}</p>'
        f"{_parameters(operation)}{_body(operation, document)}</details>"
    )


def _parameters(operation: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one['in'])}</td>"
        f"<td>{'必填 required' if one.get('required') else ''}</td><td>{escape(one.get('description', ''))}</td></tr>"
        for one in operation.get("parameters", [])
    )
    return f"<table><tr><th>参数 parameter</th><th></th><th></th><th></th></tr>{rows}</table>" if rows else ""


def _body(operation: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    parts = []
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        for name, schema in _schemas(content.get("schema", {}), document, set()):
            shown = escape(json.dumps(schema, ensure_ascii=False, indent=2))
            parts.append(f"<p>请求体 body <code>{escape(media_type)}</code> {escape(name)}</p><pre>{shown}</pre>")
    return "".join(parts)


def _schemas(schema: Any, document: Mapping[str, Any], seen: set[str]) -> Iterator[tuple[str, Any]]:
    """The schema and every named one it refers to, each once, so that nothing has to be looked up elsewhere."""
    if isinstance(schema, list):
        for part in schema:
            yield from _schemas(part, document, seen)
        return
    if not isinstance(schema, Mapping):
        return
    reference = schema.get("$ref")
    if isinstance(reference, str):
        name = reference.rsplit("/", 1)[-1]
        if name not in seen:
            seen.add(name)
            named = document.get("components", {}).get("schemas", {}).get(name, {})
            yield name, named
            yield from _schemas(named, document, seen)
        return
    for part in schema.values():
        yield from _schemas(part, document, seen)
