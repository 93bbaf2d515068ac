"""A graph as one web page with the picture inside."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from magnus.usecases.drawing.svg import to_svg

if TYPE_CHECKING:
    from magnus.domain.graph import Graph

_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; font-family: system-ui, "Segoe UI", Helvetica, Arial, sans-serif; background: light-dark(#fff, #15191e);
  color: light-dark(#1f2933, #e6ebf0); }
header { padding: 24px 24px 0; }
h1 { font-size: 20px; margin: 0 0 4px; }
p { margin: 0; color: light-dark(#5f6c7b, #9aa7b4); max-width: 70ch; white-space: pre-line; }
main { overflow: auto; }
svg { display: block; margin: 0 auto; }
"""


def to_html(graph: Graph) -> str:
    """Return *graph* as an HTML document that needs nothing from elsewhere."""
    title = escape(graph.name or "pipeline")
    description = f"\n<p>{escape(graph.description)}</p>" if graph.description else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>{title}</h1>{description}
</header>
<main>
{to_svg(graph)}</main>
</body>
</html>
"""
