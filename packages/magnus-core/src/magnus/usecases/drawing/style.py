"""How drawings look, in light and in dark surroundings."""

from __future__ import annotations

STYLE = """
.magnus { font-family: system-ui, "Segoe UI", Helvetica, Arial, sans-serif;
  --paper: #ffffff; --ink: #1f2933; --faint: #5f6c7b; --line: #8793a1; --failure: #c0392b;
  --task: #f5f9ff; --task-line: #3b74c4; --pass: #f6f6f6; --success: #e3f6e8; --success-line: #2f8f4e;
  --fail: #fbe9e7; --composite: #f7f5ee; --composite-line: #b8a878; --branch: #ffffff; }
@media (prefers-color-scheme: dark) { .magnus {
  --paper: #15191e; --ink: #e6ebf0; --faint: #9aa7b4; --line: #74818f; --failure: #ff7b6b;
  --task: #1b2736; --task-line: #6aa3ef; --pass: #23272c; --success: #17301f; --success-line: #58c27d;
  --fail: #3a1d1a; --composite: #24231d; --composite-line: #85784e; --branch: #191d22; } }
.magnus .paper { fill: var(--paper); }
.magnus .node { stroke-width: 1.4; }
.magnus .task { fill: var(--task); stroke: var(--task-line); }
.magnus .pass { fill: var(--pass); stroke: var(--line); stroke-dasharray: 5 3; }
.magnus .success { fill: var(--success); stroke: var(--success-line); }
.magnus .fail { fill: var(--fail); stroke: var(--failure); }
.magnus .composite { fill: var(--composite); stroke: var(--composite-line); stroke-width: 1.4; }
.magnus .branch { fill: var(--branch); stroke: var(--composite-line); stroke-width: 0.8; }
.magnus text { text-anchor: middle; fill: var(--ink); white-space: pre; }
.magnus text.left { text-anchor: start; }
.magnus .first { font-size: 13px; font-weight: 600; }
.magnus .second { font-size: 11.5px; fill: var(--faint); text-anchor: start; }
.magnus g .second { text-anchor: middle; }
.magnus .edge { fill: none; stroke: var(--line); stroke-width: 1.5; }
.magnus .edge.on_failure { stroke: var(--failure); stroke-dasharray: 6 4; }
.magnus .tip { fill: var(--line); }
.magnus .tip.on_failure { fill: var(--failure); }
"""
