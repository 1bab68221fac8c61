/** The report's look, light and dark. Colours are chosen to stay apart for colour-blind readers; every mark also has its name beside it. */
export const style = `
:root { --ground: #fdfdfb; --card: #fff; --ink: #1c1f23; --soft: #68707a; --rule: #e6e6e1; --varve: #d5510e; --limit: #9aa0a8;
  --peer-0: #2f6fb7; --peer-1: #6aa5dd; --peer-2: #2b8a6e; --peer-3: #8560b5; --peer-4: #b0437e }
@media (prefers-color-scheme: dark) { :root { --ground: #15171a; --card: #1c1f23; --ink: #e9e9e4; --soft: #9aa0a8; --rule: #30343a;
  --varve: #ff8a4a; --limit: #7b828b; --peer-0: #6aa9ee; --peer-1: #a0cdf5; --peer-2: #55c3a0; --peer-3: #b795e4; --peer-4: #e583b5 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 860px; padding: 40px 20px 60px; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; font-variant-numeric: tabular-nums }
h1 { font-size: 30px; margin: 0; letter-spacing: -.02em }
h2 { font-size: 21px; margin: 0; letter-spacing: -.01em }
header { margin-bottom: 28px }
.facts { margin: 8px 0; display: flex; flex-wrap: wrap; gap: 6px }
.facts span { border: 1px solid var(--rule); border-radius: 99px; padding: 1px 10px; font-size: 13px; color: var(--soft) }
.key { color: var(--soft); font-size: 13px; margin: 10px 0 0 }
.key b { font-weight: 600; margin-right: 14px }
.key b::before { content: ''; display: inline-block; width: 10px; height: 10px; border-radius: 2px; background: currentColor; margin-right: 5px }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); gap: 12px; margin-bottom: 40px }
.tile { position: relative; background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 12px 14px }
.tile .label { font-size: 13px; color: var(--soft); padding-right: 54px }
.tile .big { font-size: 27px; font-weight: 650; letter-spacing: -.02em; color: var(--varve) }
.tile .remark { font-size: 12.5px; color: var(--soft) }
.tile .durability { position: absolute; top: 13px; right: 14px; font-size: 11px; color: var(--soft) }
section { margin-bottom: 44px }
.question { margin: 0 0 10px; color: var(--soft) }
figure { margin: 0 0 14px; background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 12px 16px }
figcaption { font-weight: 600; font-size: 14px; margin-bottom: 6px }
p.extra { margin: 10px 0 4px; font-size: 13px; color: var(--soft) }
svg { width: 100%; height: auto; display: block; overflow: visible }
svg text { font-size: 12px; fill: var(--ink) }
svg .tick, svg .value, svg .remark { fill: var(--soft); font-size: 11px }
svg .value { font-size: 10px }
.grid { stroke: var(--rule); stroke-width: 1; fill: none }
.whisker { stroke: var(--ink); stroke-width: 1; fill: none; opacity: .55 }
.line { fill: none; stroke-width: 2 }
.strip { stroke-width: 2; opacity: .5; fill: none }
.ring { fill: var(--card); stroke-width: 2 }
b.varve { color: var(--varve) } b.limit { color: var(--limit) } b.peer-0 { color: var(--peer-0) }
.name { font-weight: 500 } svg .name.varve { fill: var(--varve); font-weight: 700 }
${['varve', 'limit', 'peer-0', 'peer-1', 'peer-2', 'peer-3', 'peer-4']
  .map(
    (name) =>
      `.bar.${name}, .dot.${name} { fill: var(--${name}) } .line.${name}, .strip.${name}, .ring.${name}, .whisker.${name} { stroke: var(--${name}); opacity: 1 } .line ~ text.name.${name} { fill: var(--${name}) }`,
  )
  .join('\n')}
.bar.limit { opacity: .55 } .line.limit { stroke-dasharray: 5 4 }
.bar.peer-other, .dot.peer-other { fill: var(--soft) } .line.peer-other, .strip.peer-other { stroke: var(--soft) }
details { margin-top: 8px; overflow-x: auto } summary { cursor: pointer; color: var(--soft); font-size: 13px }
table { border-collapse: collapse; font-size: 12px; margin-top: 8px; white-space: nowrap }
th, td { text-align: right; padding: 2px 8px; border-bottom: 1px solid var(--rule) }
th:nth-child(-n+3), td:nth-child(-n+3), td:last-child { text-align: left }
th { color: var(--soft); font-weight: 500 } tr.own td { font-weight: 600 } tr.extra td { color: var(--soft) }
footer { color: var(--soft); font-size: 13px }
`
