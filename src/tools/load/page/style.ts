/** The style of a report: light and dark by the reader's setting, no font or file from elsewhere. */
export const STYLE = `
:root { color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --ink: #1b2430; --dim: #667085; --rule: #e4e7ec;
  --a: #2563eb; --b: #d97706; --c: #16a34a; --d: #94a3b8; --bad: #c8322b; --good: #15803d }
@media (prefers-color-scheme: dark) { :root {
  --page: #10141a; --card: #171d26; --ink: #e6eaf0; --dim: #93a0b4; --rule: #2a3340;
  --a: #6ea8fe; --b: #f0a94a; --c: #4ade80; --d: #64748b; --bad: #ff7b72; --good: #4ade80 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', sans-serif }
main { max-width: 1120px; margin: 0 auto; padding: 32px 24px 56px }
header { margin-bottom: 24px }
h1 { font-size: 24px; line-height: 1.25; margin: 0 0 4px; letter-spacing: -.01em; overflow-wrap: anywhere }
h2 { font-size: 16px; margin: 32px 0 12px }
.sub, .none, footer { color: var(--dim); font-size: 13px }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(132px, 1fr)); gap: 12px }
.tile, figure, .table { background: var(--card); border: 1px solid var(--rule); border-radius: 10px }
.tile { padding: 12px 14px }
.tile b { display: block; font-size: 22px; font-weight: 650; font-variant-numeric: tabular-nums; letter-spacing: -.01em }
.tile span { color: var(--dim); font-size: 13px }
.tile i, td i { font-style: normal; font-size: 12px; white-space: nowrap } .tile i { display: block } td i { margin-left: 6px }
.better { color: var(--good) } .worse { color: var(--bad) } .same { color: var(--dim) }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(480px, 100%), 1fr)); gap: 16px; margin-top: 16px }
figure { margin: 0; padding: 14px 16px 8px }
figcaption { display: flex; flex-wrap: wrap; gap: 4px 14px; justify-content: space-between; font-weight: 600; font-size: 14px; margin-bottom: 6px }
.legend { display: flex; gap: 14px; font-weight: 400; font-size: 13px; color: var(--dim) }
.key::before { content: ''; display: inline-block; width: 14px; height: 3px; border-radius: 2px; margin-right: 6px; vertical-align: middle; background: var(--line) }
svg { display: block; width: 100%; height: auto }
.tick { fill: var(--dim); font-size: 11px; font-variant-numeric: tabular-nums }
.grid { stroke: var(--rule); stroke-width: 1 }
.line { fill: none; stroke: var(--line); stroke-width: 2; stroke-linejoin: round; stroke-linecap: round }
.name { fill: var(--ink); font-size: 12px } .outer { fill: var(--line); opacity: .25 } .inner { fill: var(--line) }
.pale { --line: color-mix(in srgb, var(--a) 25%, var(--card)) }
.area { fill: var(--line); opacity: .12 } .dot { fill: var(--line) }
.a { --line: var(--a) } .b { --line: var(--b) } .c { --line: var(--c) } .d { --line: var(--d) } .bad { --line: var(--bad) }
.line.d { stroke-dasharray: 5 4 }
.table { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px }
th { text-align: right; color: var(--dim); font-weight: 500; font-size: 12px; white-space: nowrap }
th, td { padding: 8px 14px; border-bottom: 1px solid var(--rule) }
td { text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left } tr:last-child td { border-bottom: 0 }
td.share { width: 30% } .bar { display: block; height: 8px; border-radius: 4px; background: var(--bad); min-width: 2px }
ul.verdicts { list-style: none; padding: 0; margin: 16px 0 0; display: flex; flex-wrap: wrap; gap: 8px }
.verdicts li { border: 1px solid currentcolor; border-radius: 999px; padding: 2px 12px; font-size: 13px }
footer { margin-top: 32px } footer p { margin: 4px 0; overflow-wrap: anywhere }
@media print { body { background: #fff } .tile, figure, .table { break-inside: avoid } }
`
