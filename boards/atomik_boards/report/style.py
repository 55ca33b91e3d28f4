"""How a report looks: on a screen, on a telephone, on paper."""

__all__ = ["STYLE"]

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de;
  --paper: #ffffff; --panel: #f6f8fa; --good: #1a7f37; --bar: #0072b2; --accent: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa4af; --line: #30363d;
  --paper: #0d1117; --panel: #161b22; --good: #3fb950; --bar: #58a6ff; --accent: #ff7b72; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; line-height: 1.2; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); }
p { margin: .3rem 0; }
.soft { color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .7rem;
  margin: 1rem 0; }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: .5rem;
  padding: .6rem .8rem; }
.card b { display: block; font-size: 1.35rem; line-height: 1.25; }
.card.met b { color: var(--good); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
.hops td:nth-child(2) { white-space: nowrap; }
.hops td:last-child { min-width: 9rem; }
td.number, th.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
code { font: .8125rem/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
.bar { background: var(--line); border-radius: .3rem; height: .6rem; min-width: 6rem; }
.bar i { display: block; height: 100%; border-radius: .3rem; background: var(--bar); }
.floorplan { display: block; width: 100%; max-height: 34rem; margin: .5rem 0; }
.floorplan .die { fill: var(--panel); stroke: var(--line); stroke-width: .1; }
.floorplan .ram { fill: none; stroke: var(--ink); stroke-width: .12; }
.floorplan .path { fill: none; stroke: var(--accent); stroke-width: .22; stroke-linejoin: round; }
.key { display: flex; flex-wrap: wrap; gap: .3rem 1rem; padding: 0; list-style: none;
  font-size: .875rem; }
.key i { display: inline-block; width: .8rem; height: .8rem; border-radius: .15rem;
  margin-right: .35rem; vertical-align: -.05rem; }
dl { display: grid; grid-template-columns: minmax(7rem, auto) 1fr; gap: .2rem 1rem; margin: 0;
  font-size: .875rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
details { margin: .6rem 0; } summary { cursor: pointer; }
@media (max-width: 34rem) {
  .hops thead { display: none; }
  .hops tr { display: block; border-bottom: 1px solid var(--line); padding: .3rem 0; }
  .hops td { display: block; border: 0; padding: 0; text-align: left; }
  .hops td:nth-child(-n+4) { display: inline; padding-right: .8rem; }
}
@media print {
  :root { color-scheme: light; --ink: #000; --soft: #444; --line: #bbb; --paper: #fff;
    --panel: #fff; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  details > * { display: block; } h2 { break-after: avoid; }
  tr, .card, .floorplan { break-inside: avoid; } .floorplan { max-height: 18cm; }
  * { print-color-adjust: exact; }
}
"""
