"""How the page looks: light and dark, on a phone and on paper, with nothing from elsewhere."""

STYLE = """
:root { color-scheme: light dark;
  --paper: #ffffff; --ink: #1b1f24; --soft: #5b6470; --rule: #e3e6ea; --wash: #f6f7f9; --link: #0b5cad;
  --warn: #8a4b00; --warn-wash: #fff5e5; --good: #0a6b4b; --bad: #a8341f; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #14171b; --ink: #e6e9ed; --soft: #9aa4b0; --rule: #30363d; --wash: #1c2026; --link: #7db7f0;
  --warn: #f0b866; --warn-wash: #2b2213; --good: #5fcfa2; --bad: #f0907d; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main, header, footer, nav ol { max-width: 70rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; padding-bottom: .5rem; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 .4rem; letter-spacing: -.01em; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 3rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--rule); }
p { margin: 0 0 1rem; max-width: 48rem; }
a { color: var(--link); text-decoration-thickness: 1px; text-underline-offset: 2px; }
.lead { font-size: 1.06rem; color: var(--soft); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.1rem; margin: 1.25rem 0 0;
  font-size: .88rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
nav { position: sticky; top: 0; z-index: 2; background: var(--paper); border-bottom: 1px solid var(--rule);
  margin-top: 1.25rem; }
nav ol { display: flex; flex-wrap: wrap; gap: .25rem 1.15rem; overflow-x: auto; list-style: none; padding-top: .55rem;
  padding-bottom: .55rem; font-size: .86rem; white-space: nowrap; }
nav a { text-decoration: none; }
section { scroll-margin-top: 3rem; }
.warnings { background: var(--warn-wash); border-left: 4px solid var(--warn); border-radius: 3px;
  padding: .8rem 1.1rem; margin: 1.5rem 0 0; font-size: .92rem; }
.warnings h2 { all: unset; display: block; font-weight: 600; color: var(--warn); margin-bottom: .3rem; }
.warnings ul { margin: 0; padding-left: 1.1rem; } .warnings li { overflow-wrap: anywhere; }
figure { margin: 1.25rem 0 1.75rem; }
figcaption, caption { font-size: .88rem; font-weight: 600; text-align: left; padding-bottom: .5rem; }
caption { white-space: nowrap; }
.wide { overflow-x: auto; -webkit-overflow-scrolling: touch; }
figure svg { fill: var(--ink); display: block; height: auto; width: 100%; max-width: 62rem; min-width: 40rem; }
svg text { fill: var(--ink); font-family: inherit; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; line-height: 1.4; }
th, td { padding: .38rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule); }
thead th { border-bottom: 1.5px solid var(--ink); vertical-align: bottom; font-weight: 600; }
tbody tr:last-child > * { border-bottom: 1.5px solid var(--ink); }
tbody th { font-weight: 500; }
table.numbers th, table.numbers td { text-align: right; }
table.numbers td:not(.label) { white-space: nowrap; }
table th.label, table td.label { text-align: left; }
td, th { max-width: 22rem; overflow-wrap: break-word; }
th:first-child { padding-left: .2rem; min-width: 8.5rem; }
.aside { color: var(--soft); font-size: .85em; display: block; }
[title] { cursor: help; }
thead [title] { text-decoration: underline dotted var(--soft) 1px; text-underline-offset: 3px; }
table.matrix { border-collapse: separate; border-spacing: 2px; }
table.matrix td { text-align: center; min-width: 4.2rem; border: 0; border-radius: 2px;
  -webkit-print-color-adjust: exact; print-color-adjust: exact; }
table.matrix th { border: 0; } table.matrix thead th:not(.label) { text-align: center; }
table.matrix tbody tr:last-child > * { border: 0; }
table.matrix td.framed { outline: 3px solid #D55E00; outline-offset: -2px; font-weight: 600; }
td.none { color: var(--soft); }
td.good { color: var(--good); } td.bad { color: var(--bad); }
.notes { list-style: none; margin: .6rem 0 0; padding: 0; font-size: .82rem; color: var(--soft); max-width: 60rem; }
.notes li { overflow-wrap: anywhere; }
.part { margin: 1.25rem 0 1.9rem; }
details { margin: 1rem 0 1.5rem; } summary { cursor: pointer; font-size: .88rem; color: var(--link); }
pre { background: var(--wash); border: 1px solid var(--rule); border-radius: 4px; padding: .8rem 1rem;
  overflow-x: auto;  font: .8rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
footer { margin-top: 3rem; padding-top: 1rem; padding-bottom: 3rem; font-size: .82rem; color: var(--soft); }
@media (max-width: 40rem) {
  nav ol { flex-wrap: nowrap; }
  body { font-size: 15px; }
  main, header, footer, nav ol { padding-left: .9rem; padding-right: .9rem; }
  th, td { padding: .34rem .5rem; }
  h1 { font-size: 1.4rem; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .45rem; } }
@media print { :root { --paper: #fff; --ink: #000; --soft: #444; --rule: #ccc; --wash: #fff; --link: #000; }
  body { font-size: 10pt; } nav { display: none; } h2, figcaption, caption { break-after: avoid; }
  figure, tr, .part { break-inside: avoid; } .wide { overflow: visible; }
  figure svg { min-width: 0; } table, .notes { font-size: 7.5pt; } th, td { padding: .2rem .35rem; }
  table.matrix td { min-width: 0; } table.numbers td { white-space: normal; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; } a { text-decoration: none; } }
"""
