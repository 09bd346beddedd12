"""A page: head, style, sections, script; all in one file."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def page(title: str, subtitle: str, sections: Sequence[tuple[str, str]]) -> str:
    """The document; each section is a heading and its HTML. No request ever leaves it: the
    content policy forbids all."""
    subtitle = subtitle.removeprefix(f"{title.partition(':')[0]} · ")  # the heading has the name
    body = "".join(
        f"<section><h2>{escape(heading)}</h2>{content}</section>" if heading else content
        for heading, content in sections
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_asset('style.css')}</style></head>"
        f'<body><header><h1>{escape(title)}</h1><p class="sub">{escape(subtitle)}</p></header>'
        f'<main>{body}</main><div id="tip" role="status" hidden></div>'
        f"<script>{_asset('script.js')}</script></body></html>\n"
    )


def _asset(name: str) -> str:
    return (files("bpcli.report.html") / name).read_text(encoding="utf-8")
