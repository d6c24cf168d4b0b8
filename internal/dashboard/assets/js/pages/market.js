// A market as it is and as it was: candles and volume, the forming one alive, gaps as gaps.
import { next, bar, digits, points, Stretch, volumeOf } from '../chart/window.js'
import { attr, h, text, uid } from '../dom.js'
import { timeframes } from '../format.js'
import { icon } from '../icons.js'
import { perFrame } from '../ticker.js'

const near = 60 // bars from an edge at which more is loaded
const listed = 20 // candles in the table
const few = 150 // candles that are drawn over the whole width
const mostPast = 500 // candles that may have formed and wait to be stored
const said = 900 // ms that the crosshair rests until its candle is said

const place = (s, page = 'market') => `/${page}/${encodeURIComponent(s.exchange)}/${encodeURIComponent(s.symbol)}/${s.timeframe}`
const same = (a, b) => a.exchange === b.exchange && a.symbol === b.symbol

export async function mount(root, ctx) {
  const { t, api, params, signal, navigate } = ctx
  if (params.symbol && timeframes.has(params.timeframe)) return chartOf(root, ctx)
  root.append(h('h1', { class: 'sr-only' }, t('nav.market')))
  const { series } = await api.get('/api/series', { signal })
  const first = series.find((s) => s.last !== null) ?? series[0]
  if (first) return navigate(place(first), { replace: true })
  root.append(h('section', { class: 'empty' }, icon('market'), h('h2', null, t('market.empty')), h('p', null, t('market.emptyText')), h('a', { class: 'button primary', href: '/' }, t('nav.collectors'))))
}

async function chartOf(root, ctx) {
  const { t, api, live, format, theme, params: series, signal, navigate, title, announce, query } = ctx
  title(`${series.symbol} ${series.timeframe} · ${t('nav.market')}`)
  const ids = { symbol: uid('symbol'), date: uid('date'), summary: uid('summary') }

  // What stands above the chart.
  const picker = h('select', { class: 'select', id: ids.symbol, onchange: () => go(JSON.parse(picker.value)) })
  const frames = h('div', { class: 'segments', role: 'group', 'aria-label': t('market.timeframe') })
  const date = h('input', { class: 'input', id: ids.date, type: 'date', onchange: () => date.value && jump(date.value) })
  const toEnd = h('button', { class: 'button small', type: 'button', onclick: () => newest() }, t('market.newest'))
  const price = h('p', { class: 'market-price' }, '\u00A0')
  const legend = h('dl', { class: 'market-legend' })
  const cells = Object.fromEntries(['time', 'open', 'high', 'low', 'close', 'volume', 'trades'].map((key) => {
    const dd = h('dd', { class: 'mono' }, '–')
    legend.append(h('div', { class: `legend-${key}` }, h('dt', null, t(`market.${key}`)), dd))
    return [key, dd]
  }))
  const missing = h('dd', null)
  legend.append(h('div', { class: 'legend-missing' }, h('dt', null, t('completeness.col.state')), missing))
  // What the shades mean stands below the chart as long as there are some.
  const keys = Object.fromEntries([['open', 'market.open_gap'], ['absent', 'market.absent']].map(([state, words]) => [state, h('li', { hidden: true }, h('i', { data: { state }, 'aria-hidden': 'true' }), t(words))]))
  const box = h('div', { class: 'market-chart', tabindex: '0', role: 'application', 'aria-label': t('market.chart', series), 'aria-describedby': ids.summary })
  const summary = h('p', { class: 'sr-only', id: ids.summary })
  const state = h('p', { class: 'market-state muted', role: 'status' }, '\u00A0')
  const rows = h('tbody')
  root.append(
    h('header', { class: 'page-head' },
      h('div', { class: 'grow' }, h('h1', null, series.symbol, ' ', h('span', { class: 'faint' }, series.exchange)), price),
      h('div', { class: 'market-tools' },
        h('div', { class: 'field' }, h('label', { for: ids.symbol }, t('market.symbol')), picker),
        h('div', { class: 'field' }, h('label', { for: ids.date }, t('market.date')), date), toEnd)),
    h('section', { class: 'card market-card' },
      h('div', { class: 'card-head' }, frames, h('a', { class: 'button small quiet', href: place(series, 'completeness') }, icon('calendar'), t('market.calendar'))),
      legend, box, summary,
      h('footer', { class: 'market-foot' }, state, h('ul', { class: 'market-keys' }, Object.values(keys)), h('p', { class: 'faint' }, t('market.by'), ' ', h('a', { href: 'https://www.tradingview.com/', rel: 'noreferrer', target: '_blank' }, 'TradingView Lightweight Charts™')))),
    h('details', { class: 'card market-table' }, h('summary', null, t('market.table', { n: String(listed) })),
      h('div', { class: 'table-wrap', role: 'region', tabindex: '0', 'aria-label': t('market.table', { n: String(listed) }) }, h('table', { class: 'table' },
        h('thead', null, h('tr', null, ['time', 'open', 'high', 'low', 'close', 'volume', 'trades'].map((key) => h('th', { scope: 'col', class: 'num' }, t(`market.${key}`))))), rows))))

  const library = import('../../vendor/lightweight-charts.mjs')
  const known = api.get('/api/series', { signal })
  const go = (s) => navigate(place(s))
  const stretch = new Stretch(api, series, signal)
  const asked = query.get('at')
  const wantedAt = asked && /^\d{4}-\d\d-\d\d$/.test(asked) ? Date.parse(asked) : NaN
  const loading = Number.isNaN(wantedAt) ? stretch.newest() : stretch.around(wantedAt)
  const [{ createChart, CandlestickSeries, HistogramSeries, CrosshairMode }, { series: stored }] = await Promise.all([library, known, loading])
  if (signal.aborted) return
  if (!Number.isNaN(wantedAt)) date.value = asked
  drawPicker()

  const chart = createChart(box, { autoSize: true, crosshair: { mode: CrosshairMode.Normal }, localization: { locale: ctx.lang, timeFormatter: (time) => format.minute(time * 1000) + (series.timeframe === '1s' ? format.time(time * 1000).slice(5) : '') }, layout: { attributionLogo: false, fontFamily: getComputedStyle(document.body).fontFamily }, timeScale: { timeVisible: true, secondsVisible: series.timeframe === '1s', rightOffset: 6, minBarSpacing: 0.5 }, handleScroll: { vertTouchDrag: false } })
  const shades = chart.addSeries(HistogramSeries, { priceScaleId: 'shades', lastValueVisible: false, priceLineVisible: false, base: 0 })
  chart.priceScale('shades').applyOptions({ scaleMargins: { top: 0, bottom: 0 } })
  const volumes = chart.addSeries(HistogramSeries, { priceScaleId: 'volume', lastValueVisible: false, priceLineVisible: false, priceFormat: { type: 'volume' } })
  chart.priceScale('volume').applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } })
  const candles = chart.addSeries(CandlestickSeries, { borderVisible: false })
  let colors = {}
  const paint = () => {
    colors = { up: theme.color('--up-soft'), down: theme.color('--down-soft'), open: theme.color('--gap-open'), absent: theme.color('--gap-absent') }
    const [up, down, line, words] = ['--up', '--down', '--line', '--text-2'].map((name) => theme.color(name))
    chart.applyOptions({ layout: { background: { color: theme.color('--surface') }, textColor: words }, grid: { vertLines: { color: line }, horzLines: { color: line } }, timeScale: { borderColor: line }, rightPriceScale: { borderColor: line } })
    candles.applyOptions({ upColor: up, wickUpColor: up, downColor: down, wickDownColor: down })
  }
  paint()

  let forming = null // the candle that has not closed
  let past = [] // those that have formed and are not stored yet: a moment in which nothing is missing
  let closed = null // the newest one that is stored, as far as the stream told
  let gaps = []
  let marked = null // open time (ms) under the crosshair
  let byKey = false // it was set by a key: then it stays with its candle, not with a place on the screen
  let drawn = new Map() // open time in seconds → its candle, of what is drawn
  let times = [] // what is on the axis, in seconds: the chart's own list leaves the blanks out
  let decimals = -1

  let level = 0 // the price that the keys' crosshair stands at; on a blank that of the candle before
  const hold = () => byKey && marked !== null && chart.setCrosshairPosition(level, Math.floor(marked / 1000), candles)

  /** draw gives the chart all that is held. */
  const draw = () => {
    const held = stretch.candles
    const wanted = digits(held)
    if (wanted !== decimals) {
      decimals = wanted
      candles.applyOptions({ priceFormat: { type: 'price', precision: decimals, minMove: Number(`1e-${decimals}`) } })
    }
    const shown = withForming()
    const made = points(shown, series.timeframe, colors)
    drawn = new Map(shown.map((c) => [Math.floor(c.openTime / 1000), c]))
    times = made.bars.map((each) => each.time)
    candles.setData(made.bars)
    volumes.setData(made.volumes)
    const blanks = made.blanks.map(({ time, open }) => ({ time, state: gapAt(open)?.state === 'absent' ? 'absent' : 'open' }))
    shades.setData(blanks.map(({ time, state }) => ({ time, value: 1, color: colors[state] })))
    hold()
    for (const [state, key] of Object.entries(keys)) key.hidden = !blanks.some((blank) => blank.state === state)
    drawRest()
  }
  const withForming = () => {
    const last = stretch.candles.at(-1)?.openTime ?? -Infinity
    return forming && stretch.atEnd ? [...stretch.candles, ...[...past, forming].filter((c) => c.openTime > last)] : stretch.candles
  }
  const gapAt = (open) => gaps.find((gap) => gap.from <= open && open <= gap.to && gap.state !== 'repaired')

  /** drawRest writes what is not the chart: the price, the legend, the table, the summary. */
  const drawRest = perFrame(() => {
    if (signal.aborted) return
    // The price is today's, also for who looks at last year.
    const [before, newestOne] = stretch.atEnd ? [undefined, ...withForming()].slice(-2) : [closed, forming]
    if (newestOne) {
      const change = before && Number(before.close) !== 0 ? (Number(newestOne.close) / Number(before.close) - 1) * 100 : null
      text(price, `${format.decimal(newestOne.close, { least: decimals })}${change === null ? '' : `  ${change >= 0 ? '+' : '−'}${format.percent(Math.abs(change), 2)} · ${series.timeframe}`}`)
      attr(price, 'data-tone', change === null ? null : change >= 0 ? 'up' : 'down')
    }
    drawLegend()
    const shown = stretch.candles.slice(-listed).reverse()
    rows.replaceChildren(...shown.map((c) => h('tr', null,
      h('th', { scope: 'row', class: 'num' }, format.instant(c.openTime)), [c.open, c.high, c.low, c.close, c.volume].map((value) => h('td', { class: 'num mono' }, value ?? '–')), h('td', { class: 'num' }, format.number(c.trades)))))
    const last = stretch.candles.at(-1)
    text(summary, last ? t('market.summary', { ...series, from: format.minute((times[0] ?? 0) * 1000), to: format.minute(last.openTime), close: last.close }) : t('market.none'))
    if (!last) text(state, t('market.none'))
  })

  const drawLegend = () => {
    const c = marked === null ? withForming().at(-1) : drawn.get(Math.floor(marked / 1000))
    attr(legend, 'data-missing', !c && marked !== null)
    attr(legend, 'data-tone', c ? (Number(c.close) >= Number(c.open) ? 'up' : 'down') : null)
    if (!c && marked !== null) {
      const gap = gapAt(marked)
      text(cells.time, format.minute(marked))
      text(missing, t(gap?.state === 'absent' ? 'market.absent' : 'market.open_gap'))
      return
    }
    if (!c) return
    text(cells.time, format.instant(c.openTime) + (c === forming ? ` ${t('market.forming')}` : ''))
    for (const key of ['open', 'high', 'low', 'close']) text(cells[key], format.decimal(c[key], { least: decimals }))
    text(cells.volume, format.decimal(c.volume))
    text(cells.trades, format.number(c.trades))
  }

  let gapTurn = 0 // of the question asked last: its answer counts
  async function loadGaps() {
    const [first, last] = [stretch.candles[0], stretch.candles.at(-1)]
    if (!first) return
    const turn = ++gapTurn
    const answer = await api.get('/api/coverage', { query: { ...series, from: first.openTime, to: last.openTime }, signal })
    if (turn === gapTurn) gaps = answer.gaps
  }

  // More is loaded before its edge is reached, one question at a time.
  let busy = false
  const more = async (load) => {
    if (busy || signal.aborted) return
    busy = true
    const { turn } = stretch
    try {
      const trimmedBefore = stretch.atEnd
      if (await load()) {
        await loadGaps()
        const view = chart.timeScale().getVisibleRange() // as it is by now: a day may have been jumped to meanwhile
        draw()
        // Bars that went at the right end would take the view along.
        if (view && (trimmedBefore !== stretch.atEnd || load === newer)) chart.timeScale().setVisibleRange(view)
      }
    } catch (error) {
      if (!signal.aborted) text(state, error.message)
    } finally {
      busy = false
      if (turn !== stretch.turn && !signal.aborted) look(chart.timeScale().getVisibleLogicalRange()) // what came was for another stretch
    }
  }
  const older = () => stretch.older()
  const newer = () => stretch.newer()
  const look = (range) => {
    if (!range) return
    const around = candles.barsInLogicalRange(range)
    if (!around) return
    if (around.barsBefore < near && !stretch.atStart) more(older)
    else if (around.barsAfter < near && !stretch.atEnd) more(newer)
  }
  chart.timeScale().subscribeVisibleLogicalRangeChange(look)

  const show = (at) => {
    const shown = times.findIndex((time) => time >= Math.floor(at / 1000))
    if (shown >= 0) chart.timeScale().setVisibleLogicalRange({ from: shown - 20, to: shown + 130 })
  }
  async function jump(day) {
    const at = Date.parse(day)
    if (Number.isNaN(at)) return
    navigate(`${place(series)}?at=${day}`, { replace: true, silent: true })
    if (await reload(() => stretch.around(at))) show(at)
  }
  async function newest() {
    date.value = ''
    navigate(place(series), { replace: true, silent: true })
    if (stretch.atEnd) stretch.stay()
    else if (!(await reload(() => stretch.newest()))) return
    chart.timeScale().scrollToRealTime()
  }
  /** reload shows another stretch. It tells whether that is still the one that is wanted. */
  async function reload(load) {
    try {
      if (!(await load())) return false
      const { turn } = stretch
      await loadGaps()
      draw()
      return turn === stretch.turn
    } catch (error) {
      if (!signal.aborted) text(state, error.message)
      return false
    }
  }

  // The crosshair, by pointer and by key.
  let saying = 0
  const mark = (open, aloud) => {
    marked = open
    drawLegend()
    clearTimeout(saying)
    if (aloud) saying = setTimeout(() => announce([...legend.children].filter((each) => each.checkVisibility()).map((each) => each.textContent).join(', ')), said)
  }
  chart.subscribeCrosshairMove((event) => {
    if (!event.sourceEvent && byKey) return
    byKey = false
    mark(event.time === undefined ? null : event.time * 1000, false)
  })
  const point = (index) => {
    const i = Math.min(times.length - 1, Math.max(0, index))
    if (i < 0) return
    const scale = chart.timeScale()
    const range = scale.getVisibleLogicalRange()
    if (range && (i < range.from || i > range.to)) {
      const width = range.to - range.from
      scale.setVisibleLogicalRange(i < range.from ? { from: i - 5, to: i - 5 + width } : { from: i + 5 - width, to: i + 5 })
    }
    level = Number(drawn.get(times[i])?.close ?? level)
    byKey = true
    mark(times[i] * 1000, true)
    hold()
  }
  const pointed = () => {
    if (marked === null) return times.length
    const at = times.findIndex((time) => time >= Math.floor(marked / 1000))
    return at < 0 ? times.length - 1 : at
  }
  const zoom = (factor) => {
    const range = chart.timeScale().getVisibleLogicalRange()
    if (range) chart.timeScale().setVisibleLogicalRange({ from: range.to - Math.max(8, (range.to - range.from) * factor), to: range.to })
  }
  const strokes = {
    ArrowLeft: (event) => point(pointed() - (event.shiftKey ? 10 : 1)), ArrowRight: (event) => point(pointed() + (event.shiftKey ? 10 : 1)),
    PageUp: () => point(pointed() - 60), PageDown: () => point(pointed() + 60), Home: () => point(0), End: () => newest().then(() => point(Infinity)),
    '+': () => zoom(0.7), '=': () => zoom(0.7), '-': () => zoom(1 / 0.7),
    Escape: () => {
      byKey = false
      chart.clearCrosshairPosition()
      mark(null, false)
    },
  }
  box.addEventListener('keydown', (event) => {
    const act = strokes[event.key]
    if (!act || event.altKey || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    act(event)
  })

  theme.on(() => {
    paint()
    draw()
  }, signal)
  let ledger = JSON.stringify(live.system?.gaps ?? null)
  live.on('system', () => {
    const now = JSON.stringify(live.system?.gaps ?? null)
    if (now === ledger) return
    ledger = now
    loadGaps().then(draw, () => {}) // the banner tells that the server is away
  }, signal)
  await loadGaps()
  draw()
  if (!Number.isNaN(wantedAt)) show(wantedAt)
  else if (stretch.candles.length < few) chart.timeScale().fitContent()
  else chart.timeScale().scrollToRealTime()
  text(state, t('market.connecting'))

  // From here on it lives.
  const append = (c) => {
    const time = Math.floor(c.openTime / 1000)
    const newest = times.at(-1)
    if (newest !== undefined && time !== newest && time !== Math.floor(next(newest * 1000, series.timeframe) / 1000)) return draw() // a gap is before it, or others came first
    drawn.set(time, c)
    if (time > (times.at(-1) ?? 0)) times.push(time)
    candles.update(bar(c))
    volumes.update(volumeOf(c, colors))
    hold()
    drawRest()
  }
  api.stream('/api/candles/stream', {
    query: series, signal, last: String(stretch.atEnd ? (stretch.candles.at(-1)?.openTime ?? '') : ''),
    on(name, data, id) {
      if (name === 'trouble') return text(state, JSON.parse(data).error)
      if (name !== 'forming' && name !== 'closed') return undefined
      const c = JSON.parse(data)
      text(state, t('market.live'))
      if (name === 'forming') {
        if (c.openTime <= (stretch.candles.at(-1)?.openTime ?? -Infinity)) return undefined
        if (forming && forming.openTime < c.openTime) past = [...past.slice(-mostPast), forming]
        forming = c
        if (stretch.atEnd) append(c)
        else drawRest()
        return undefined
      }
      if (forming && forming.openTime <= c.openTime) forming = null
      past = past.filter((one) => one.openTime > c.openTime) // they come in order: what came before and is not here is missing
      if (c.openTime > (closed?.openTime ?? -Infinity)) closed = c
      const last = stretch.candles.at(-1)
      const went = stretch.put(c)
      if (went === 'end') {
        append(c)
        // Before it is a gap, or something that was stored while nobody listened.
        if (last && next(last.openTime, series.timeframe) < c.openTime) stretch.between(last.openTime + 1, c.openTime - 1).then((some) => some && draw(), () => {})
      } else if (went === 'inside') loadGaps().then(draw, () => {})
      return undefined
    },
    state(now, error) {
      if (now === 'live') text(state, t('market.live'))
      else if (now === 'refused') text(state, error.message)
      else if (now === 'lost') text(state, t('market.lost'))
    },
  })

  function drawPicker() {
    const all = [...stored]
    for (const entry of live.collectors.values()) {
      for (const symbol of entry.symbol.split(',')) if (!/[*?[\]]/.test(symbol)) all.push({ exchange: entry.exchange, symbol, timeframe: entry.timeframe })
    }
    if (!all.some((s) => same(s, series) && s.timeframe === series.timeframe)) all.push(series)
    const symbols = new Map()
    for (const s of all) {
      const key = `${s.exchange} ${s.symbol}`
      if (!symbols.has(key)) symbols.set(key, new Set())
      symbols.get(key).add(s.timeframe)
    }
    const order = [...timeframes.keys()]
    picker.replaceChildren(...[...symbols].sort((a, b) => a[0].localeCompare(b[0])).map(([key, frames]) => {
      const [exchange, symbol] = key.split(' ')
      const has = frames.has(series.timeframe) ? series.timeframe : order.find((each) => frames.has(each))
      return h('option', { value: JSON.stringify({ exchange, symbol, timeframe: has }), selected: same({ exchange, symbol }, series) }, `${symbol} · ${exchange}`)
    }))
    const mine = symbols.get(`${series.exchange} ${series.symbol}`)
    frames.replaceChildren(...order.filter((each) => mine.has(each)).map((each) =>
      h('button', { type: 'button', 'aria-pressed': String(each === series.timeframe), onclick: () => go({ ...series, timeframe: each }) }, each)),
    h('span', { class: 'hint' }, mine.size < 2 ? t('market.others') : ''))
  }

  return () => {
    clearTimeout(saying)
    chart.remove()
  }
}
