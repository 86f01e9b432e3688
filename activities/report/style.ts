/** The report's only style sheet: readable at 03:00 on a dark screen or a phone, and printable, in black and white too. */
export const style = `
:root { --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --ground: #fff; --panel: #f6f8fa; --good: #1a7f37; --bad: #cf222e; --warn: #8a5a00; --bar: #1f5fd6; --budget: #dbe6fb; --wait: #a9b1ba; --over: #e69f00; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9da7b3; --line: #30363d; --ground: #0d1117; --panel: #161b22; --good: #3fb950; --bad: #ff6a5f; --warn: #d29922; --bar: #5a97ff; --budget: #1d2f4f; --wait: #7d8793; --over: #e69f00; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 64rem; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
header p.what { margin: 0; }
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
.share { display: inline-block; width: 3.5rem; height: .55em; margin-right: .6em; background: var(--budget); } .share i { display: block; height: 100%; background: var(--bar); }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
p.what, .by { color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-size: .93rem; margin: .4rem 0; }
th, td { text-align: left; vertical-align: top; padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; overflow-wrap: normal; }
td { min-width: 3.5rem; } td.name { min-width: 8.5rem; } td.wide { width: 60%; }
.number { text-align: right; font-variant-numeric: tabular-nums; padding-right: 1.2rem; }
ul { margin: .4rem 0; padding-left: 1.2rem; } li { margin: .15rem 0; }
code { font: .9em ui-monospace, "SF Mono", "DejaVu Sans Mono", monospace; }
.whole, td.number { white-space: nowrap; overflow-wrap: normal; }
.timeline { font-size: .85rem; }
.timeline .row { display: grid; grid-template-columns: minmax(7rem, 11rem) 1fr minmax(6rem, 9rem); gap: 0 .6rem; align-items: center; min-height: 1.6rem; break-inside: avoid; }
.timeline .name { text-align: right; } .timeline .note { color: var(--soft); }
.timeline .track { position: relative; align-self: stretch; display: block; }
.timeline .track i { position: absolute; display: block; }
.timeline .axis .track span { position: absolute; bottom: 0; color: var(--soft); white-space: nowrap; transform: translateX(-50%); }
.timeline .axis .track span:first-child { transform: none; }
.timeline .tick { top: 0; bottom: 0; border-left: 1px solid var(--line); }
.timeline .served { top: 0; bottom: 0; border-left: 2px dashed var(--good); } .timeline .objective { top: 0; bottom: 0; border-left: 3px double var(--bad); }
.timeline i.budget { top: .15rem; bottom: .15rem; border-radius: 2px; }
.timeline i.bar { top: .4rem; bottom: .4rem; min-width: 2px; border-radius: 2px; }
.budget { background: var(--budget); } .worked { background: var(--bar); } .bar.waited, .key.waited { background: repeating-linear-gradient(90deg, var(--wait) 0 3px, var(--ground) 3px 5px); outline: 1px solid var(--wait); }
.bar.over, .key.over { background: repeating-linear-gradient(135deg, var(--over) 0 4px, var(--ink) 4px 6px); }
.bar.failed, .key.failed { background: repeating-linear-gradient(45deg, var(--bad) 0 2px, var(--ground) 2px 4px); outline: 1.5px solid var(--bad); }
.legend { color: var(--soft); font-size: .88rem; max-width: none; } .legend span { white-space: nowrap; margin-left: .6em; }
.key { display: inline-block; width: 1.4em; height: .7em; margin-right: .35em; border-radius: 2px; } .key.served, .key.objective { width: 0; height: .9em; vertical-align: middle; }
.key.served { border-left: 2px dashed var(--good); } .key.objective { border-left: 3px double var(--bad); }
h3 { font-size: 1rem; margin: 1.2rem 0 .2rem; } .chart { margin: .2rem 0 .6rem; } .chart svg { display: block; width: 100%; height: auto; } .chart text { overflow-wrap: normal; }
footer { margin-top: 3rem; color: var(--soft); font-size: .88rem; }
@media screen and (max-width: 44rem) {
  body { padding: 1rem 1rem 3rem; } h1 { font-size: 1.4rem; }
  .facts { grid-template-columns: 1fr 1fr; } .fact { padding: .5rem .6rem; } .fact strong { font-size: 1.2rem; }
  .chart { overflow-x: auto; } .chart svg { width: 44rem; max-width: none !important; }
  thead { display: none; } table, tbody, tr, td { display: block; }
  tr { border-bottom: 1px solid var(--line); padding: .4rem 0; }
  td, td.name, td.wide, td.number { width: auto; border: 0; padding: 0; text-align: left; white-space: normal; min-width: 0; overflow-wrap: anywhere; }
  td:empty { display: none; } td[data-title]::before { content: attr(data-title) ": "; color: var(--soft); } td:first-child { font-weight: 600; }
  .timeline .row { grid-template-columns: 1fr auto; } .timeline .name { text-align: left; } .timeline .track { grid-column: 1 / -1; grid-row: 2; height: 1.2rem; } .timeline .axis { display: none; }
}
@media print {
  :root { --ink: #000; --soft: #333; --line: #999; --ground: #fff; --panel: #fff; --good: #0b5a24; --bad: #9b1c24; --warn: #6b4600; --bar: #1f4fa8; --budget: #dbe6fb; --wait: #8c959f; --over: #e69f00; color-scheme: light; }
  body { padding: 0; max-width: none; font-size: 10pt; orphans: 3; widows: 3; }
  h1 { font-size: 18pt; } h2 { margin-top: 1.4rem; } p { max-width: none; }
  .facts { grid-template-columns: repeat(4, 1fr); gap: .4rem; } .fact { padding: .4rem .5rem; } .fact strong { font-size: 1.25rem; }
  h1, h2, h3, p.leads, p:has(+ table), thead { break-after: avoid; } .legend { break-before: avoid; }
  .fact, tr, ul, .chart, .timeline, .legend, header { break-inside: avoid; } .timeline.long { break-inside: auto; }
  .timeline { font-size: 8.5pt; } .timeline .row { min-height: 1.3rem; } .timeline i.bar { top: .3rem; bottom: .3rem; } table { font-size: 8.5pt; } th, td { padding: .18rem .5rem .18rem 0; } td.name { min-width: 8.4rem; }
  .timeline .row:nth-child(-n + 6) { break-after: avoid; }
  thead { display: table-header-group; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;

/** Paper's margins, with what is printed at their foot on each page: nothing but letters, digits and a few marks, since it stands in a style sheet. */
export function pageStyle(foot: string): string {
  const safe = foot.replace(/[^\p{L}\p{N} .,:/()-]/gu, ' ').slice(0, 120);
  return `@page { margin: 16mm 15mm 18mm; @bottom-left { content: "${safe}"; font: 8pt system-ui, sans-serif; color: #333; } @bottom-right { content: counter(page) " of " counter(pages); font: 8pt system-ui, sans-serif; color: #333; } }\n`;
}
