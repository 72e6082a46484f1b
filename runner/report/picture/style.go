package picture

// css is the page's style: one column, pictures as wide as it, colours of light and dark screens. Outcomes differ in
// brightness and by marks, not by colour alone.
const css = `
:root{--back:#f6f7f5;--card:#fff;--text:#1c211d;--soft:#5d665f;--line:#dfe4df;--grid:#eceeea;--good:#3d8b5f;--calm:#a9d2b9;--warn:#c98a16;--warned:#8a5a00;--bad:#c8402f;--ink:#2f6f9f;--wash:#2f6f9f26;--gone:#a9b3ab;--rest:#cfd8d1}
@media (prefers-color-scheme:dark){:root{--back:#121512;--card:#1b1f1c;--text:#e6ebe6;--soft:#98a49b;--line:#2f3631;--grid:#262c28;--good:#58b585;--calm:#2f5f46;--warn:#e0a53a;--warned:#e0a53a;--bad:#f0705e;--ink:#6db3e2;--wash:#6db3e22e;--gone:#5a665d;--rest:#343d36}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--back);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere}
main{max-width:62rem;margin:0 auto;padding:1.5rem 1rem 3rem}
header{margin:0 0 1rem}
h1{font-size:1.6rem;line-height:1.2;margin:0}
h2{font-size:1.15rem;line-height:1.3;margin:0}
h2 span{font-weight:400;color:var(--soft)}
h3{font-size:.8rem;font-weight:600;color:var(--soft);margin:1.5rem 0 .5rem}
p{margin:.25rem 0}
header p,.sub,footer{color:var(--soft)}
.sub{font-size:.85rem}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1.1rem 1.25rem;margin:0 0 1rem}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.well{padding:.6rem 1.25rem;border-left:4px solid var(--good);margin:0 0 1rem}
.attention ul,.legend{list-style:none;margin:0;padding:0}
.attention{padding:0;overflow:hidden}
.attention li{padding:.6rem 1.25rem;border-left:4px solid var(--warn)}
.attention li+li{border-top:1px solid var(--line)}
.attention .error{border-left-color:var(--bad)}
.level{display:inline-block;font-size:.72rem;font-weight:700;text-transform:uppercase;letter-spacing:.04em;color:var(--warned);margin-right:.35rem}
.error .level,.bad{color:var(--bad)}
.attention code{color:var(--soft)}
.big{font-size:1.05rem;margin:.75rem 0 .4rem}
.big b{font-size:1.5rem;font-variant-numeric:tabular-nums}
.big span{color:var(--soft);margin-left:.4rem}
.row{display:grid;grid-template-columns:8rem minmax(0,1fr) 6rem;gap:0 .75rem;align-items:center;margin:.25rem 0}
.label{font-size:.85rem;line-height:1.35;overflow:hidden;display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:2}
.figure{font-size:.85rem;font-variant-numeric:tabular-nums;color:var(--soft)}
.picture{position:relative;min-width:0}
svg{display:block;overflow:hidden}
svg svg{display:inline}
svg svg[overflow]{overflow:visible}
.ticks{margin:0}
.ticks .picture{height:1.2rem;font-size:.72rem;color:var(--soft);overflow:hidden}
.ticks span{position:absolute;top:0;padding-left:.3rem;border-left:1px solid var(--line);white-space:nowrap;line-height:1.2rem}
.scale{position:absolute;left:0;padding:.15rem .3rem;background:var(--card);border-radius:3px;opacity:.9;font-size:.68rem;line-height:1;color:var(--soft);pointer-events:none}
.scale.top{top:0}
.scale.middle{top:50%;transform:translateY(-50%)}
.grid{stroke:var(--grid)}
.base{stroke:var(--line)}
.limit{stroke:var(--bad);stroke-dasharray:3 3;opacity:.7}
.median{stroke:var(--soft);stroke-dasharray:2 3;opacity:.6}
.area{fill:var(--wash)}
.curve{fill:none;stroke:var(--ink);stroke-width:2;stroke-linejoin:round;vector-effect:non-scaling-stroke}
.dot{fill:var(--ink)}
.bar{border-radius:4px}
.used{fill:var(--ink)}
.slack{fill:var(--wash)}
.empty{fill:var(--rest)}
.snapshot{fill:var(--good)}
.gone{fill:var(--gone)}
.none{fill:var(--line)}
.changed{fill:var(--good)}
.unchanged{fill:var(--calm)}
.rescued,.interrupted,.missed{fill:var(--warn)}
.failed,.timed_out{fill:var(--bad)}
.cancelled,.unknown{fill:var(--gone)}
.running{fill:var(--ink)}
rect.missed{fill:none;stroke:var(--warn);stroke-dasharray:2 2}
.dot.changed,.dot.unchanged{fill:var(--good)}
.mark{fill:none;stroke-width:2;stroke-linecap:round}
.mark.failed,.mark.timed_out{stroke:var(--bad)}
.mark.missed,.mark.interrupted,.mark.rescued{stroke:var(--warn)}
.legend{display:flex;flex-wrap:wrap;gap:.15rem 1.1rem;font-size:.82rem;color:var(--soft);margin:.4rem 0 0}
.legend li{display:flex;align-items:center;gap:.35rem}
.key{flex:none}
details{margin:.6rem 0 0;font-size:.85rem}
summary{cursor:pointer;color:var(--soft);width:max-content;max-width:100%}
summary:hover{color:var(--text)}
.scroll{overflow-x:auto;max-height:24rem;margin:.4rem 0 0}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.2rem .9rem .2rem 0;border-bottom:1px solid var(--grid);font-weight:400;overflow-wrap:normal;white-space:nowrap}
thead th{color:var(--soft);position:sticky;top:0;background:var(--card)}
footer{font-size:.82rem;margin:1.5rem .25rem 0}
@media (max-width:48rem){
main{padding:1rem .6rem 2rem}
section{padding:.9rem .85rem}
.row{grid-template-columns:minmax(0,1fr) auto;margin:.5rem 0}
.row .picture{grid-column:1/-1;grid-row:2}
.ticks{margin:-.4rem 0 0}
.ticks .label,.ticks .figure,.wide{display:none}
}
@media print{body{background:none}section{break-inside:avoid}}
`
