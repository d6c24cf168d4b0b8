// All collectors: what each is doing, and what can be done with it.
import { askRestart, askStop, askStopAll } from '../actions.js'
import { open } from '../dialog.js'
import { attr, h, keyed, text } from '../dom.js'
import { timeframes } from '../format.js'
import { icon } from '../icons.js'
import { logView } from '../logview.js'
import { ageOf, groupOf, marketOf, noteOf, phaseOf, tones, uptimeOf, urgency } from '../phases.js'
import { sparkline } from '../spark.js'
import { openStart } from '../start.js'
import { everySecond, perFrame } from '../ticker.js'

const groups = ['all', 'live', 'working', 'attention']
const samples = 40 // of the rate, in the small line of a row
const settled = 1500 // ms between two sortings by a value that changes

/** columns: key, whether it is a number, and what it sorts by. */
const columns = [
  { key: 'state', by: (c) => urgency[phaseOf(c)] },
  { key: 'market', by: (c) => c.symbol },
  { key: 'timeframe', by: (c) => timeframes.get(c.timeframe) ?? 0 },
  { key: 'candle', by: (c) => ageOf(c) ?? Infinity, moves: true },
  { key: 'rate', num: true, down: true, by: (c) => c.messagesPerSecond, moves: true },
  { key: 'gaps', num: true, down: true, by: (c) => c.openGaps },
  { key: 'uptime', num: true, by: (c) => -Date.parse(c.startedAt) },
  { key: 'cpu', num: true, down: true, by: (c) => c.cpu, moves: true },
  { key: 'memory', num: true, down: true, by: (c) => c.memory.uss ?? c.memory.rss, moves: true },
  { key: 'restarts', num: true, down: true, by: (c) => c.restarts },
  { key: 'pid', num: true, by: (c) => c.pid },
]

export async function mount(root, ctx) {
  const { t, live, format, signal, query } = ctx
  const list = new List(ctx)
  let group = groups.includes(query.get('show')) ? query.get('show') : 'all'
  let words = query.get('q') ?? ''
  let sort = columns.find((column) => column.key === query.get('sort'))?.key ?? ''
  let down = query.get('order') === 'desc'

  // The head
  const heading = h('h1', { tabindex: '-1' }, t('nav.collectors'))
  const verdict = h('p', { class: 'verdict', role: 'status' })
  const stopAll = h('button', { class: 'button quiet', type: 'button', hidden: true, onclick: () => askStopAll(live.collectors.size, ctx) }, t('collectors.stopAll'))
  const start = h('button', { class: 'button primary', type: 'button', onclick: () => openStart(ctx) }, icon('plus'), h('span', null, t('collectors.start')))
  const actions = h('div', { class: 'actions' }, stopAll, start)
  const tiles = new Tiles(ctx)

  // The tools
  const chips = groups.map((name) => h('button', { type: 'button', 'aria-pressed': 'false', onclick: () => {
    group = name
    keep()
    draw()
  } }, h('span', null, t(`collectors.show.${name}`)), h('span', { class: 'count' })))
  const search = h('input', { class: 'input', type: 'search', value: words, placeholder: t('collectors.filter'), 'aria-label': t('collectors.filter'), autocomplete: 'off', spellcheck: 'false', oninput: (event) => {
    words = event.target.value
    keep()
    draw()
  } })
  const sorter = h('select', { class: 'select', 'aria-label': t('collectors.sort'), onchange: (event) => sortBy(event.target.value) },
    h('option', { value: '' }, t('collectors.sortNone')), columns.map((column) => h('option', { value: column.key }, t(`collectors.col.${column.key}`))))
  const found = h('p', { class: 'sr-only', role: 'status' })
  const tools = h('div', { class: 'list-tools' },
    h('div', { class: 'searchbox' }, icon('search'), search),
    h('div', { class: 'segments', role: 'group', 'aria-label': t('collectors.show') }, chips),
    h('div', { class: 'list-sort' }, sorter), found)

  // The table
  const heads = columns.map((column) => h('th', { scope: 'col', role: 'columnheader', class: `c-${column.key}${column.num ? ' num' : ''}` },
    h('button', { type: 'button', onclick: () => sortBy(column.key) }, t(`collectors.col.${column.key}`))))
  const table = h('table', { class: 'table collectors', role: 'table', 'aria-label': t('nav.collectors') },
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, heads, h('th', { scope: 'col', role: 'columnheader', class: 'c-actions' }, h('span', { class: 'sr-only' }, t('collectors.col.actions'))))))
  const wrap = h('div', { class: 'card table-wrap', hidden: true }, table)
  const none = h('section', { class: 'card', hidden: true })
  const loading = h('div', { class: 'card list-loading', 'aria-hidden': 'true' }, Array.from({ length: 4 }, () => h('div', { class: 'skeleton' })))
  const rows = keyed(table, (entry) => entry.id, (entry) => list.make(entry), (el, entry) => list.update(el, entry), table.tHead)

  root.append(h('header', { class: 'page-head' }, h('div', { class: 'grow' }, heading, verdict), actions), tiles.el, tools, loading, wrap, none)

  function keep() {
    const given = new URLSearchParams()
    if (words.trim() !== '') given.set('q', words.trim())
    if (group !== 'all') given.set('show', group)
    if (sort !== '') given.set('sort', sort)
    if (sort !== '' && down) given.set('order', 'desc')
    ctx.navigate(given.size > 0 ? `${ctx.path}?${given}` : ctx.path, { replace: true, silent: true })
  }
  function sortBy(key) {
    const column = columns.find((each) => each.key === key)
    if (sort !== key) {
      sort = key
      down = Boolean(column?.down)
    } else if (down === Boolean(column?.down)) down = !down
    else sort = '' // the third time it is as it came
    keep()
    sorted = 0
    draw()
  }

  let sorted = 0
  let order = new Map() // by id, as they were sorted
  function ordered(entries) {
    const column = columns.find((each) => each.key === sort)
    if (!column) return entries
    // Rows do not run away from a pointer, or from a key that is about to be pressed.
    const held = table.matches(':hover') || table.contains(document.activeElement)
    const due = !column.moves || performance.now() - sorted > settled
    if (sorted === 0 || (due && !(held && column.moves))) {
      sorted = performance.now()
      const way = down ? -1 : 1
      const by = new Map(entries.map((entry) => [entry.id, column.by(entry)]))
      const compare = (a, b) => (typeof a === 'string' ? a.localeCompare(b) : a < b ? -1 : a > b ? 1 : 0)
      const made = [...entries].sort((a, b) => way * compare(by.get(a.id), by.get(b.id)) || a.id - b.id)
      order = new Map(made.map((entry, i) => [entry.id, i]))
      return made
    }
    return [...entries].sort((a, b) => (order.get(a.id) ?? Infinity) - (order.get(b.id) ?? Infinity) || a.id - b.id)
  }

  let lastFound = -1
  const draw = () => {
    if (signal.aborted) return
    const entries = [...live.collectors.values()].sort((a, b) => a.id - b.id)
    const counts = { all: entries.length, live: 0, working: 0, attention: 0 }
    for (const entry of entries) counts[groupOf(entry)]++
    groups.forEach((name, i) => {
      attr(chips[i], 'aria-pressed', String(group === name))
      text(chips[i].lastElementChild, format.number(counts[name]))
      chips[i].dataset.tone = name === 'attention' && counts.attention > 0 ? 'bad' : 'calm'
    })
    const wanted = words.trim().toLowerCase()
    const fits = (entry) => (group === 'all' || groupOf(entry) === group) &&
      (wanted === '' || `${entry.symbol} ${entry.exchange} ${entry.timeframe} ${entry.pid} #${entry.id} ${entry.host} ${t(`phase.${phaseOf(entry)}`)}`.toLowerCase().includes(wanted))
    const chosen = ordered(entries.filter(fits))
    columns.forEach((column, i) => attr(heads[i], 'aria-sort', sort === column.key ? (down ? 'descending' : 'ascending') : null))
    sorter.value = sort

    const known = live.ready
    const trouble = live.trouble
    loading.hidden = known || trouble !== null
    tools.hidden = loading.hidden && entries.length === 0
    wrap.hidden = !known || chosen.length === 0
    none.hidden = (!known && trouble === null) || chosen.length > 0
    if (!none.hidden) drawNone(entries.length)
    const held = wrap.contains(document.activeElement)
    rows.render(chosen)
    if (held && document.activeElement === document.body) heading.focus({ preventScroll: true }) // its row is gone
    if (words !== '' && chosen.length !== lastFound) text(found, t('collectors.found', { n: chosen.length }))
    lastFound = chosen.length
    stopAll.hidden = live.readOnly || entries.length < 2
    start.hidden = live.readOnly
    table.classList.toggle('read-only', live.readOnly)
    drawVerdict(verdict, counts, ctx)
    tiles.draw(counts)
  }
  let noneFor = ''
  function drawNone(all) {
    const kind = !live.ready ? 'trouble' : all === 0 ? (live.readOnly ? 'nothingReadOnly' : 'nothing') : 'noMatch'
    if (noneFor === kind) return
    noneFor = kind
    if (kind === 'trouble') {
      none.replaceChildren(h('div', { class: 'empty' }, icon('alert'), h('h2', null, t('collectors.trouble')), h('p', null, live.trouble.error), h('p', null, t('collectors.troubleText'))))
      return
    }
    none.replaceChildren(h('div', { class: 'empty' }, icon(all === 0 ? 'market' : 'search'), h('h2', null, t(`collectors.${kind}`)), h('p', null, t(`collectors.${kind}Text`)),
      kind === 'nothing' && h('button', { class: 'button primary', type: 'button', onclick: () => openStart(ctx) }, icon('plus'), t('collectors.start')),
      kind === 'nothing' && h('p', null, t('collectors.nothingCli'), ' ', h('code', null, 'velador start ETHUSDT 1m --since 24h')),
      kind === 'noMatch' && h('button', { class: 'button', type: 'button', onclick: () => {
        words = ''
        search.value = ''
        group = 'all'
        keep()
        draw()
      } }, t('collectors.showAll'))))
  }

  const soon = perFrame(draw)
  live.on('collectors', () => {
    list.sample()
    soon()
  }, signal)
  live.on('system', soon, signal)
  everySecond(() => {
    list.tick()
    if (columns.find((each) => each.key === sort)?.moves) soon()
  }, signal)
  draw()
  if (query.has('start') && !live.readOnly) openStart(ctx, { symbol: query.get('start') || '' })
  return () => list.close()
}

function drawVerdict(el, counts, { t, live }) {
  const [tone, words] = live.trouble ? ['bad', t('collectors.verdict.trouble')]
    : !live.ready ? ['calm', '\u00A0']
      : counts.all === 0 ? ['calm', t('collectors.verdict.none')]
        : counts.attention > 0 ? ['bad', t('collectors.verdict.attention', { n: counts.attention })]
          : counts.working > 0 ? ['info', t('collectors.verdict.working', { n: counts.working })]
            : ['good', t('collectors.verdict.good')]
  attr(el, 'data-tone', tone)
  text(el, words)
}

/** Tiles are the figures above the list. */
class Tiles {
  constructor({ t, live, format }) {
    this.live = live
    this.format = format
    this.t = t
    this.dd = {}
    const tile = (key) => {
      this.dd[key] = [h('dd', null, '–'), h('dd', { class: 'note' }, '\u00A0')]
      return h('div', { class: 'tile' }, h('dt', null, t(`collectors.tile.${key}`)), this.dd[key])
    }
    this.el = h('dl', { class: 'tiles collectors-tiles' }, tile('live'), tile('stored'), tile('gaps'), tile('lag'))
  }

  #set(key, value, note, tone = '') {
    const [big, small] = this.dd[key]
    text(big, value)
    text(small, note || '\u00A0')
    attr(big, 'data-tone', tone || null)
  }

  draw(counts) {
    const { format, live, t } = this
    const system = live.system
    if (live.ready) this.#set('live', format.number(counts.live), t('collectors.tile.liveNote', { all: format.number(counts.all) }), counts.attention > 0 ? 'bad' : '')
    const open = system?.gaps?.open ?? (live.ready ? [...live.collectors.values()].reduce((n, entry) => n + entry.openGaps, 0) : null)
    this.#set('gaps', format.number(open), system?.gaps ? t('collectors.tile.gapsNote', { repaired: format.number(system.gaps.repaired), absent: format.number(system.gaps.absent) }) : '', open > 0 ? 'warn' : '')
    this.#set('stored', system?.writer?.perSecond == null ? '–' : `${format.number(system.writer.perSecond, system.writer.perSecond < 10 ? 1 : 0)}\u202F/s`, system?.writer?.new == null ? '' : t('collectors.tile.storedNote', { n: format.short(system.writer.new) }))
    const lag = system?.writer?.closeLagSeconds
    this.#set('lag', format.lag(lag?.p50), lag?.p99 == null ? '' : t('collectors.tile.lagNote', { p99: format.lag(lag.p99) }))
  }
}

/** List makes and updates rows. Rows that nobody sees are brought up to date when they come into view. */
class List {
  #ctx
  #parts = new WeakMap() // by row
  #rates = new Map() // by id: the newest rates
  #visible = new Set()
  #watch

  constructor(ctx) {
    this.#ctx = ctx
    this.#watch = new IntersectionObserver((seen) => {
      for (const { target, isIntersecting } of seen) {
        if (!isIntersecting) this.#visible.delete(target)
        else if (!this.#visible.has(target)) {
          this.#visible.add(target)
          this.#fill(target)
        }
      }
    }, { rootMargin: '400px 0px' })
  }

  close() {
    this.#watch.disconnect()
  }

  /** sample takes down the rates of this moment. */
  sample() {
    for (const entry of this.#ctx.live.collectors.values()) {
      let rates = this.#rates.get(entry.id)
      if (!rates) this.#rates.set(entry.id, (rates = []))
      rates.push(entry.messagesPerSecond)
      if (rates.length > samples) rates.shift()
    }
    for (const id of this.#rates.keys()) if (!this.#ctx.live.collectors.has(id)) this.#rates.delete(id)
  }

  tick() {
    for (const el of this.#visible) if (el.isConnected) this.#time(el)
      else this.#visible.delete(el)
  }

  make(entry) {
    const { t, live } = this.#ctx
    const id = entry.id
    const entryNow = () => live.collectors.get(id) ?? entry
    const p = {
      badge: h('span', { class: 'badge' }),
      symbol: h('a', { class: 'symbol', href: `/collectors/${id}`, title: entry.symbol }, entry.symbol),
      where: h('span', { class: 'where' }),
      frame: h('span', { class: 'tag mono' }, entry.timeframe),
      candle: h('span'), age: h('span', { class: 'faint age' }),
      rate: h('span', { class: 'rate-figure' }), spark: sparkline({ from: 0, className: 'row-spark' }),
      gaps: h('span'), uptime: h('span'), cpu: h('span'), memory: h('span'), restarts: h('span'), pid: h('span'),
      note: h('td', { role: 'cell', colspan: columns.length + 1 }),
    }
    const name = { symbol: entry.symbol, timeframe: entry.timeframe }
    const action = (kind, run) => h('button', { class: 'icon-button small act', type: 'button', 'aria-label': t(`collectors.do.${kind}`, name), title: t(`collectors.do.${kind}`, name), onclick: run }, icon(kind), h('span', { class: 'word' }, t(`collectors.act.${kind}`)))
    const chart = marketOf(entry) ?? `/collectors/${id}`
    const buttons = h('div', { class: 'row-actions' },
      h('a', { class: 'icon-button small', href: chart, 'aria-label': t('collectors.do.chart', name), title: t('collectors.do.chart', name) }, icon('chart'), h('span', { class: 'word' }, t('collectors.act.chart'))),
      action('logs', () => this.#logs(entryNow())), action('restart', () => askRestart(entryNow(), this.#ctx)), action('stop', () => askStop(entryNow(), this.#ctx)))
    const cell = (key, ...content) => h(key === 'market' ? 'th' : 'td', { class: `c-${key}${columns.find((c) => c.key === key)?.num ? ' num' : ''}`, scope: key === 'market' ? 'row' : null, role: key === 'market' ? 'rowheader' : 'cell', 'data-label': key === 'actions' ? null : t(`collectors.col.${key}`) }, content)
    p.noteRow = h('tr', { class: 'note', role: 'row', hidden: true }, p.note)
    const el = h('tbody', { role: 'rowgroup' },
      h('tr', { role: 'row' },
        cell('state', p.badge), cell('market', p.symbol, p.where), cell('timeframe', p.frame), cell('candle', p.candle, p.age), cell('rate', p.spark.el, p.rate),
        cell('gaps', p.gaps), cell('uptime', p.uptime), cell('cpu', p.cpu), cell('memory', p.memory), cell('restarts', p.restarts), cell('pid', p.pid), cell('actions', buttons)),
      p.noteRow)
    p.entry = entry
    this.#parts.set(el, p)
    this.#fill(el)
    this.#watch.observe(el)
    return el
  }

  update(el, entry) {
    const p = this.#parts.get(el)
    if (!p || p.entry === entry) return
    p.entry = entry
    if (this.#visible.has(el)) this.#fill(el)
  }

  #fill(el) {
    const { t, format } = this.#ctx
    const p = this.#parts.get(el)
    const c = p.entry
    const phase = phaseOf(c)
    text(p.badge, t(`phase.${phase}`))
    attr(p.badge, 'data-tone', tones[phase])
    attr(el, 'data-tone', tones[phase])
    text(p.symbol, c.symbol)
    text(p.where, c.series > 1 ? `${c.exchange} · ${t('collectors.series', { live: c.seriesLive, all: c.series })}` : c.exchange)
    text(p.rate, format.fixed(c.messagesPerSecond, c.messagesPerSecond < 100 ? 1 : 0))
    p.spark.draw(this.#rates.get(c.id) ?? [], samples)
    text(p.gaps, format.number(c.openGaps))
    attr(p.gaps, 'class', c.openGaps > 0 ? 'warned' : null)
    text(p.cpu, format.percent(c.cpu, 1))
    text(p.memory, c.memory.rss > 0 ? format.bytes(c.memory.uss || c.memory.rss) : '–')
    attr(p.memory, 'title', c.memory.uss ? t('collectors.memoryTitle', { uss: format.bytes(c.memory.uss), rss: format.bytes(c.memory.rss) }) : null)
    text(p.restarts, format.number(c.restarts))
    attr(p.restarts, 'class', c.restarts > 0 ? '' : 'faint')
    text(p.pid, c.pid > 0 ? c.pid : '–')
    this.#time(el)
  }

  #time(el) {
    const { live, format } = this.#ctx
    const p = this.#parts.get(el)
    const c = p.entry
    text(p.candle, c.lastCandle ? format.minute(c.lastCandle.openTime).slice(5) : '–')
    text(p.age, c.lastCandle ? format.ago(ageOf(c)) : '')
    text(p.uptime, format.duration(uptimeOf(c, live.now())))
    const note = noteOf(c, this.#ctx)
    text(p.note, note)
    p.noteRow.hidden = note === ''
  }

  #logs(entry) {
    const { t, signal } = this.#ctx
    const done = new AbortController()
    const view = logView(entry.id, { ...this.#ctx, signal: AbortSignal.any([done.signal, signal]) })
    const dialog = open({
      title: t('logs.title', { symbol: entry.symbol, timeframe: entry.timeframe }), t, signal, closed: () => done.abort(),
      content: h('div', { class: 'dialog-body' }, view.el, h('p', null, h('a', { href: `/collectors/${entry.id}` }, t('logs.whole')))),
    })
    dialog.classList.add('log-dialog')
  }
}
