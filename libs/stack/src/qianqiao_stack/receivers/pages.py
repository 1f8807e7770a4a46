"""The pages a person sees: plain HTML without scripts, Chinese first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path
from zoneinfo import ZoneInfo

from qianqiao_stack.receivers.inbox import Mail, Text
from qianqiao_stack.receivers.traces import Span, tree

BEIJING = ZoneInfo("Asia/Shanghai")
STYLE = (Path(__file__).parents[1] / "data" / "style.css").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One trace in the list of traces."""

    trace_id: str
    name: str
    services: tuple[str, ...]
    spans: int
    milliseconds: float
    failed: bool

    @classmethod
    def of(cls, trace_id: str, spans: Sequence[Span]) -> "TraceLine":
        """Sum up a trace; ``spans`` sorted by start, not empty."""
        begin, end = spans[0].start_ns, max(span.end_ns for span in spans)
        services = tuple(dict.fromkeys(span.service for span in spans))
        failed = any(span.failed for span in spans)
        return cls(trace_id, f"{spans[0].service} {spans[0].name}", services, len(spans), (end - begin) / 1e6, failed)


def page(title_zh: str, title_en: str, body: str, *, refresh: bool = False) -> str:
    """A whole page; ``body`` is HTML that is already escaped."""
    again = '<meta http-equiv="refresh" content="5">' if refresh else ""
    return (
        f'<!doctype html><html lang="zh-Hans"><head><meta charset="utf-8">{again}'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{escape(title_zh)} · 牵桥</title>'
        '<link rel="stylesheet" href="/style.css"></head><body><nav><a href="/">收到的 <span class="en">received</span>'
        '</a><a href="/traces">链路 <span class="en">traces</span></a></nav>'
        f'<h1>{escape(title_zh)} <small lang="en">{escape(title_en)}</small></h1>{body}</body></html>'
    )


def when(instant: str) -> str:
    """An RFC 3339 instant as the wall clock of Beijing shows it."""
    return f"{datetime.fromisoformat(instant).astimezone(BEIJING):%m-%d %H:%M:%S}"


def _table(heads: Sequence[tuple[str, str]], rows: Iterable[str], empty: str) -> str:
    content = "".join(rows)
    if not content:
        return f"<p>{empty}</p>"
    titles = "".join(f'<th>{zh} <span class="en">{en}</span></th>' for zh, en in heads)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{content}</tbody></table>"


REPORTS = {1: "已送达", 2: "未送达", 8: "运营商已受理", 16: "运营商拒收"}
"""Kannel's delivery reports as people say them."""


def _reports(text: Text) -> str:
    return "、".join(REPORTS.get(number, str(number)) for number in text.reports)


def inbox_page(mails: Sequence[Mail], texts: Sequence[Text]) -> str:
    """The newest mails and texts."""
    mail_rows = (
        f"<tr><td>{when(mail.received_at)}</td><td>{escape(', '.join(mail.recipients))}</td>"
        f'<td><a href="/mails/{mail.number}">{escape(mail.subject) or "（无主题）"}</a></td></tr>'
        for mail in mails
    )
    text_rows = (
        f"<tr><td>{when(one.received_at)}</td><td>{escape(one.to)}</td><td>{escape(one.text)}</td>"
        f'<td class="n">{one.parts}</td><td>{_reports(one)}</td></tr>'
        for one in texts
    )
    when_to = [("时间", "time"), ("收件人", "to")]
    nothing = '还没有收到 <span class="en">nothing yet</span>'
    return page(
        "收到的邮件与短信",
        "mails and texts received",
        f"<h2>邮件 <small>mails: {len(mails)}</small></h2>{_table([*when_to, ('主题', 'subject')], mail_rows, nothing)}"
        f"<h2>短信 <small>texts: {len(texts)}</small></h2>"
        + _table([*when_to, ("内容", "text"), ("条数", "parts"), ("回执", "reports")], text_rows, nothing),
        refresh=True,
    )


def mail_page(mail: Mail) -> str:
    """One mail with its headers, and the way to its trace if it carries one."""
    trace = trace_of(mail)
    link = f'<p><a href="/traces/{trace}">这封邮件的来龙去脉 <span class="en">its trace</span></a></p>' if trace else ""
    heads = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in mail.headers.items())
    raw = f'<p><a href="/mails/{mail.number}.eml">原文 <span class="en">as received</span></a></p>'
    body = f"<table>{heads}</table>{link}<pre>{escape(mail.text)}</pre>{raw}"
    return page(mail.subject or "（无主题）", "mail", body)


def trace_of(mail: Mail) -> str | None:
    """The trace id in a mail's ``traceparent`` header (W3C Trace Context), if it has one."""
    value = next((value for name, value in mail.headers.items() if name.lower() == "traceparent"), "")
    fields = value.strip().split("-")
    return fields[1] if len(fields) == 4 and len(fields[1]) == 32 and fields[1].isalnum() else None


def traces_page(lines: Sequence[TraceLine], *, everything: bool) -> str:
    """The newest traces, one line each; where not ``everything`` is shown, the page says so and how to see it."""
    rows = (
        f'<tr><td><a href="/traces/{line.trace_id}">{escape(line.name)}</a></td>'
        f"<td>{escape(' → '.join(line.services))}</td>"
        f'<td class="n">{line.spans}</td>'
        f'<td class="n{" failed" if line.failed else ""}">{line.milliseconds:.1f} ms</td></tr>'
        for line in lines
    )
    heads = [("开始于", "begins with"), ("服务", "services"), ("步数", "spans"), ("历时", "took")]
    other = (
        '<a href="/traces">只看经过多个服务的 <span class="en">through several services only</span></a>'
        if everything
        else '经过多个服务的链路 · <a href="/traces?all=1">全部 <span class="en">all traces</span></a>'
    )
    nothing = '还没有 <span class="en">none yet</span>'
    return page("链路", "traces", f"<p>{other}</p>{_table(heads, rows, nothing)}", refresh=True)


def trace_page(trace_id: str, spans: Sequence[Span]) -> str:
    """One trace as a tree with durations, on a common time line."""
    begin, end = spans[0].start_ns, max(span.end_ns for span in spans)
    total = max(end - begin, 1)
    rows = (_span_row(depth, span, begin, total) for depth, span in tree(list(spans)))
    heads = [("服务", "service"), ("步骤", "step"), ("开始", "from"), ("历时", "took"), ("", "")]
    summary = f"<p><code>{escape(trace_id)}</code> · {len(spans)} spans · {total / 1e6:.1f} ms</p>"
    return page("一个故事从头到尾", "one story from end to end", summary + _table(heads, rows, ""))


def _span_row(depth: int, span: Span, begin: int, total: int) -> str:
    left = (span.start_ns - begin) * 1000 / total
    width = max((span.end_ns - span.start_ns) * 1000 / total, 2)
    bar = (
        '<svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="1000" height="10"/>'
        f'<rect class="span" x="{left:.1f}" width="{width:.1f}" height="10"/></svg>'
    )
    mark = ' class="failed"' if span.failed else ""
    return (
        f'<tr><td>{escape(span.service)}</td><td class="tree">{"  " * depth}<span{mark}>{escape(span.name)}</span></td>'
        f'<td class="n">+{(span.start_ns - begin) / 1e6:.1f} ms</td><td class="n">{span.milliseconds:.1f} ms</td>'
        f'<td class="bar">{bar}</td></tr>'
    )
