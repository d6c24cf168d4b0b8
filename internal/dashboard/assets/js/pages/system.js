// How the whole does: the way of a candle from the exchange to the database, and what it takes.
import { attr, h, keyed, text } from '../dom.js'
import { sparkline } from '../spark.js'
import { everySecond, perFrame } from '../ticker.js'

const fewest = 30 // samples that a line has room for at least

/** The figures that have a line: key, its value of a sample, how it is written. */
const figures = [
  { key: 'rate', of: (s) => s.writer?.perSecond, write: (v, f) => `${f.number(v, v < 10 ? 1 : 0)}\u202F/s`, from: 0 },
  { key: 'lag', of: (s) => s.writer?.closeLagSeconds?.p99, write: (v, f) => f.lag(v), from: 0 },
  { key: 'commit', of: (s) => s.writer?.lagSeconds?.p99, write: (v, f) => f.lag(v), from: 0 },
  { key: 'pending', of: (s) => (s.bus?.pending == null ? null : s.bus.pending + (s.bus.unacknowledged ?? 0)), write: (v, f) => f.number(v), from: 0 },
  { key: 'database', of: (s) => s.database?.bytes, write: (v, f) => f.bytes(v), from: null },
  { key: 'memory', of: (s) => s.memory?.rss, write: (v, f) => f.bytes(v), from: null },
]
const counters = ['new', 'same', 'changed', 'batches', 'gaps', 'rejected', 'audits', 'vanished'] // of the writer, since it started
const ledger = ['open', 'repaired', 'absent'] // gaps by their state, as they stand now

export async function mount(root, ctx) {
  const { t, api, live, format, signal } = ctx
  const verdict = h('p', { class: 'verdict', role: 'status' }, '\u00A0')
  root.append(h('header', { class: 'page-head' }, h('div', { class: 'grow' }, h('h1', null, t('nav.system')), verdict)))

  const cards = figures.map(({ key, from }) => {
    const spark = sparkline({ from, className: 'big-spark' })
    const value = h('dd', { class: 'figure-value' }, '–')
    const note = h('dd', { class: 'figure-note' }, '\u00A0')
    const range = h('p', { class: 'figure-range', 'aria-hidden': 'true' }, '\u00A0')
    return { el: h('div', { class: 'card figure' }, h('dl', null, h('dt', null, t(`system.${key}`)), value, note), h('div', { class: 'figure-plot' }, spark.el, range)), spark, value, note, range }
  })
  const partsList = h('ul', { class: 'parts' })
  const budgetList = h('ul', { class: 'budgets' })
  const budgets = keyed(budgetList, (budget) => budget.exchange, (budget) => {
    const words = t('system.budgetOf', { exchange: budget.exchange })
    return h('li', null, h('div', { class: 'budget-head' }, h('strong', null, budget.exchange), h('span', { class: 'budget-figure' })),
      h('div', { class: 'meter', role: 'meter', 'aria-label': words, 'aria-valuemin': '0' }, h('i')), h('p', { class: 'hint' }))
  }, (el, budget) => drawBudget(el, budget, ctx))
  const budgetNone = h('p', { class: 'muted' }, t('system.budgetNone'))
  const counterCells = Object.fromEntries(counters.map((key) => [key, h('dd', null, '–')]))
  const gapCells = Object.fromEntries(ledger.map((key) => [key, h('dd', null, '–')]))
  const facts = Object.fromEntries(['version', 'go', 'started', 'uptime', 'kind'].map((key) => [key, h('dd', null, '–')]))
  const pairs = (cells, prefix) => Object.entries(cells).map(([key, dd]) => h('div', null, h('dt', null, t(`${prefix}.${key}`)), dd))
  const card = (key, ...content) => h('section', { class: 'card', 'aria-labelledby': `system-${key}` }, h('div', { class: 'card-head' }, h('h2', { id: `system-${key}` }, t(`system.head.${key}`))), h('div', { class: 'card-body' }, content))
  const body = h('div', { class: 'system', hidden: true },
    h('div', { class: 'figures' }, cards.map((each) => each.el)),
    h('div', { class: 'system-cards' },
      card('parts', partsList), card('budgets', budgetList, budgetNone),
      card('writer', h('dl', { class: 'pairs' }, pairs(counterCells, 'system.count'))),
      card('gaps', h('dl', { class: 'pairs' }, pairs(gapCells, 'system.gap'))),
      card('build', h('dl', { class: 'pairs' }, pairs(facts, 'system.fact')))))
  const loading = h('div', { class: 'figures', 'aria-hidden': 'true' }, figures.map(() => h('div', { class: 'card figure skeleton' })))
  root.append(loading, body)

  const shown = keyed(partsList, (part) => part.key, (part) => h('li', null, h('span', null, t(`system.part.${part.key}`)), h('span', { class: 'muted' }), h('span', { class: 'badge' })), (el, part) => {
    text(el.children[1], part.note)
    text(el.children[2], part.words)
    attr(el.children[2], 'data-tone', part.tone)
  })

  const draw = () => {
    const system = live.system
    if (signal.aborted || !system) return
    loading.hidden = true
    body.hidden = false
    figures.forEach(({ key, of, write }, i) => {
      const { spark, value, note, range } = cards[i]
      const values = live.samples.map((sample) => of(sample.system) ?? null)
      const now = of(system)
      text(value, now == null ? '–' : write(now, format))
      text(note, noteFor(key, system, ctx))
      spark.draw(values, Math.max(fewest, values.length))
      const known = values.filter((each) => each !== null)
      const [low, high] = [write(Math.min(...known), format), write(Math.max(...known), format)]
      const span = format.duration(live.now() - live.samples[0]?.at)
      text(range, known.length < 2 ? '\u00A0' : t(low === high ? 'system.steady' : 'system.range', { low, high, span }))
    })
    const states = statesOf(system, ctx)
    shown.render(states)
    const ill = states.filter((part) => part.tone === 'bad')
    attr(verdict, 'data-tone', ill.length > 0 ? 'bad' : 'good')
    text(verdict, ill.length > 0 ? t('system.ill', { parts: ill.map((part) => t(`system.part.${part.key}`)).join(', ') }) : t('system.well'))
    budgets.render(system.budgets ?? [])
    budgetNone.hidden = (system.budgets ?? []).length > 0
    for (const key of counters) text(counterCells[key], format.number(system.writer?.[key]))
    for (const key of ledger) text(gapCells[key], format.number(system.gaps?.[key]))
    text(facts.version, system.version ?? '–')
    text(facts.go, system.go ?? '–')
    text(facts.started, format.instant(system.startedAt))
    text(facts.kind, system.database?.kind ? t(`system.kind.${system.database.kind}`) : '–')
    tick()
  }
  const tick = () => {
    const system = live.system
    if (system?.startedAt) text(facts.uptime, format.duration(live.now() - Date.parse(system.startedAt)))
  }
  if (live.system) draw()
  live.on('system', perFrame(draw), signal)
  everySecond(tick, signal)
  if (!live.system && live.state !== 'live' && live.state !== 'connecting') {
    live.system = await api.get('/api/system', { signal })
    draw()
  }
  return () => {}
}

function noteFor(key, system, { t, format }) {
  switch (key) {
    case 'rate':
      return system.writer?.new == null ? '' : t('system.rateNote', { n: format.number(system.writer.new) })
    case 'lag':
    case 'commit': {
      const lag = key === 'lag' ? system.writer?.closeLagSeconds : system.writer?.lagSeconds
      return lag ? t('system.lagNote', { p50: format.lag(lag.p50), max: format.lag(lag.max) }) : ''
    }
    case 'pending':
      return system.bus?.oldestSeconds == null ? '' : t('system.pendingNote', { age: format.lag(system.bus.oldestSeconds), bytes: format.bytes(system.bus.bytes) })
    case 'database':
      return system.database?.kind ? t(`system.kind.${system.database.kind}`) : ''
    case 'memory':
      return t('system.memoryNote')
  }
  return ''
}

/** statesOf says of each part whether it does its work. What is not known says so. */
function statesOf(system, { t, format }) {
  const state = (key, good, note = '', bad = 'system.down') => ({ key, note, tone: good == null ? 'calm' : good ? 'good' : 'bad', words: t(good == null ? 'system.unknown' : good ? 'system.up' : bad) })
  const failing = system.writer?.failing
  const collectors = system.collectors
  return [
    state('database', system.database?.up, system.database?.kind ? t(`system.kind.${system.database.kind}`) : ''),
    state('bus', system.bus?.connected, system.bus?.pending == null ? '' : t('system.pendingShort', { n: format.number(system.bus.pending), count: system.bus.pending })),
    state('writer', system.writer ? !failing : null, failing || '', 'system.failing'),
    state('collectors', collectors ? collectors.failed === 0 : null, collectors ? t('system.collectorsNote', { running: format.number(collectors.running), wanted: format.number(collectors.running + collectors.failed + collectors.stopped) }) : '', 'system.failing'),
  ]
}

function drawBudget(el, budget, { t, format, live }) {
  const [head, meter, hint] = el.children
  const banned = budget.bannedUntil != null && budget.bannedUntil > live.now()
  const share = budget.limit > 0 ? Math.min(1, budget.used / budget.limit) : 0
  const tone = banned || share >= 0.95 ? 'bad' : share >= 0.75 ? 'warn' : 'good'
  text(head.lastElementChild, t('system.budgetFigure', { used: format.number(budget.used), limit: format.number(budget.limit), window: format.duration(budget.windowSeconds * 1000) }))
  attr(meter, 'aria-valuemax', budget.limit)
  attr(meter, 'aria-valuenow', budget.used)
  attr(meter, 'aria-valuetext', head.lastElementChild.textContent)
  attr(meter, 'data-tone', tone)
  meter.firstElementChild.style.width = `${(share * 100).toFixed(1)}%`
  const words = []
  if (banned) words.push(t('system.banned', { until: format.time(budget.bannedUntil), span: format.duration(budget.bannedUntil - live.now()) }))
  if (budget.sharers > 0) words.push(t('system.sharers', { n: budget.sharers }))
  if (budget.waiting > 0) words.push(t('system.waiting', { n: budget.waiting }))
  if (!banned && budget.waiting === 0) words.push(t('system.budgetFree'))
  text(hint, words.join(' · '))
  attr(hint, 'data-tone', banned ? 'bad' : null)
}
