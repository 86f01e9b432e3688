/** The report's only style sheet: readable at 03:00 on a dark screen, and printable in black and white. */
export const style = `
:root { --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --ground: #fff; --panel: #f6f8fa; --good: #1a7f37; --bad: #cf222e; --warn: #9a6700; --bar: #2f6feb; --budget: #dbe6fb; --wait: #8c959f; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9da7b3; --line: #30363d; --ground: #0d1117; --panel: #161b22; --good: #3fb950; --bad: #f85149; --warn: #d29922; --bar: #4c8dff; --budget: #1d2f4f; --wait: #6e7681; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 64rem; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
header p.what { color: var(--soft); margin: 0; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: .25rem 0 .75rem; }
h1.good { color: var(--good); } h1.bad { color: var(--bad); } h1.warn { color: var(--warn); }
h2 { font-size: 1.15rem; margin: 2.25rem 0 .6rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
p { margin: .4rem 0; max-width: 48rem; }
p.outcome { font-size: 1.1rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .75rem; margin: 1.25rem 0; }
.fact { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: .75rem .9rem; }
.fact h3 { margin: 0; font-size: .9rem; font-weight: 600; color: var(--soft); }
.fact strong { display: block; font-size: 1.5rem; line-height: 1.3; }
.fact span { color: var(--soft); font-size: .92rem; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .93rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
td:first-child, td.number { white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; padding-right: 1.2rem; }
ul { margin: .4rem 0; padding-left: 1.2rem; } li { margin: .15rem 0; overflow-wrap: anywhere; }
code { font: .9em ui-monospace, "SF Mono", "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.whole { white-space: nowrap; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--ink); font: 13px system-ui, "DejaVu Sans", sans-serif; }
svg .label { text-anchor: end; } svg .note { fill: var(--soft); } svg .tick { fill: var(--soft); text-anchor: middle; font-size: 12px; }
svg .servedLabel { text-anchor: middle; fill: var(--good); font-size: 12px; } svg .served { stroke: var(--good); stroke-width: 1.5; stroke-dasharray: 4 3; }
svg .grid { stroke: var(--line); } svg .budget { fill: var(--budget); }
svg .done, .key.done { fill: var(--bar); background: var(--bar); } svg .waited, .key.waited { fill: var(--wait); background: var(--wait); }
svg .over, .key.over { fill: var(--warn); background: var(--warn); } svg .failed, .key.failed { fill: var(--bad); background: var(--bad); }
.legend { color: var(--soft); font-size: .88rem; max-width: none; } .key { display: inline-block; width: .9em; height: .7em; margin: 0 .25em 0 .8em; border-radius: 2px; }
footer { margin-top: 3rem; color: var(--soft); font-size: .88rem; }
@media print { :root { --ink: #000; --soft: #333; --line: #999; --ground: #fff; --panel: #fff; --good: #000; --bad: #000; --warn: #000; --bar: #333; --budget: #ddd; --wait: #aaa; } body { padding: 0; font-size: 11pt; } section { break-inside: avoid-page; } * { print-color-adjust: exact; } }
`;
