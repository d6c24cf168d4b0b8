// How complete each series is: a list of all, and a calendar of one.
import { calendar } from '../chart/calendar.js'
import { attr, h, keyed, text } from '../dom.js'
import { timeframes } from '../format.js'
import { icon } from '../icons.js'
import { whenStored } from '../stored.js'

const day = 86_400_000
const often = 5_000 // ms between two looks at the newest days, while candles come
const seldom = 600_000 // the same for all days, of which old ones may change too
const mostGaps = 50 // that are listed

export async function mount(root, ctx) {
  return ctx.params.symbol ? one(root, ctx) : all(root, ctx)
}

const place = (page, s) => `/${page}/${encodeURIComponent(s.exchange)}/${encodeURIComponent(s.symbol)}/${s.timeframe}`

/** all lists the series. */
async function all(root, { t, api, format, signal, live }) {
  root.append(h('header', { class: 'page-head' }, h('div', { class: 'grow' }, h('h1', null, t('nav.completeness')), h('p', null, t('completeness.lead')))))
  const body = h('tbody')
  const filter = h('input', { class: 'input', type: 'search', 'aria-label': t('completeness.filter'), placeholder: t('completeness.filter'), autocomplete: 'off', spellcheck: 'false', oninput: () => draw() })
  const table = h('div', { class: 'table-wrap', role: 'region', tabindex: '0', 'aria-label': t('completeness.table') },
    h('table', { class: 'table' }, h('caption', { class: 'sr-only' }, t('completeness.table')),
      h('thead', null, h('tr', null, ['market', 'timeframe', 'state', 'open', 'absent', 'first', 'last'].map((key) =>
        h('th', { scope: 'col', class: ['first', 'last', 'open', 'absent'].includes(key) ? 'num' : null }, t(`completeness.col.${key}`))))), body))
  const none = h('div', { class: 'empty', hidden: true }, icon('completeness'), h('p', null, t('completeness.none')), h('a', { class: 'button primary', href: '/' }, t('nav.collectors')))
  const card = h('section', { class: 'card', hidden: true }, h('div', { class: 'card-head' }, h('label', { class: 'searchbox completeness-filter' }, icon('search'), filter)), table)
  root.append(card, none)

  const rows = keyed(body, (s) => place('', s), (s) => h('tr', null,
    h('th', { scope: 'row' }, h('a', { href: place('completeness', s) }, s.symbol), ' ', h('span', { class: 'faint' }, s.exchange)),
    h('td', null, h('span', { class: 'tag' }, s.timeframe)), h('td', null, h('span', { class: 'badge' })),
    ['open', 'absent', 'first', 'last'].map(() => h('td', { class: 'num' }))),
  (row, s) => {
    const [, , state, open, absent, first, last] = row.children
    text(first, s.first === null ? '–' : format.minute(s.first))
    text(last, s.last === null ? '–' : format.minute(s.last))
    attr(state.firstChild, 'data-tone', s.openGaps > 0 ? 'warn' : 'good')
    text(state.firstChild, t(s.openGaps > 0 ? 'completeness.state.open' : 'completeness.state.whole'))
    text(open, format.number(s.openGaps))
    text(absent, format.number(s.absentGaps))
  })
  let series = []
  const draw = () => {
    const words = filter.value.trim().toLowerCase()
    rows.render(series.filter((s) => `${s.symbol} ${s.exchange} ${s.timeframe}`.toLowerCase().includes(words)))
  }
  const load = async () => {
    series = (await api.get('/api/series', { signal })).series
    card.hidden = series.length === 0
    none.hidden = series.length > 0
    draw()
  }
  whenStored(live, signal, often, load)
  await load()
}

/** one shows the calendar of a series. */
async function one(root, ctx) {
  const { t, api, format, params, signal, live, title, announce } = ctx
  const series = params
  if (!timeframes.has(series.timeframe)) throw new Error(t('completeness.noTimeframe', { timeframe: series.timeframe }))
  title(`${series.symbol} ${series.timeframe} · ${t('nav.completeness')}`)
  const verdict = h('p', { class: 'verdict', role: 'status' }, '\u00A0')
  root.append(h('header', { class: 'page-head' },
    h('div', { class: 'grow' }, h('p', { class: 'crumbs' }, h('a', { href: '/completeness' }, t('nav.completeness'))),
      h('h1', null, series.symbol, ' ', h('span', { class: 'tag' }, series.timeframe), ' ', h('span', { class: 'faint' }, series.exchange)), verdict),
    h('div', { class: 'actions' }, h('a', { class: 'button', href: place('market', series) }, icon('chart'), t('completeness.chart')))))
  const cells = Object.fromEntries(['expected', 'present', 'share', 'repaired', 'absent', 'open'].map((key) => [key, h('dd', null, '–')]))
  root.append(h('dl', { class: 'tiles' }, Object.entries(cells).map(([key, dd]) => h('div', { class: 'tile' }, h('dt', null, t(`completeness.total.${key}`)), dd))))
  const days = new Map() // by date
  const view = calendar({ t, format, href: (date) => `${place('market', series)}?at=${date}` })
  const gapRows = h('tbody')
  const gapCard = h('section', { class: 'card', hidden: true, 'aria-labelledby': 'gaps-head' }, h('div', { class: 'card-head' }, h('h2', { id: 'gaps-head' }, t('completeness.gaps'))),
    h('div', { class: 'table-wrap', role: 'group', tabindex: '0', 'aria-label': t('completeness.gaps') }, h('table', { class: 'table' },
      h('thead', null, h('tr', null, ['state', 'from', 'to', 'missing', 'proofs'].map((key) => h('th', { scope: 'col', class: key === 'state' ? null : 'num' }, t(`completeness.gap.${key}`))))), gapRows)))
  const none = h('div', { class: 'empty', hidden: true }, icon('completeness'), h('p', null, t('completeness.nothing', series)))
  root.append(view.el, none, gapCard)

  let gaps = []
  const load = async (from) => {
    const answer = await api.get('/api/coverage', { query: { ...series, by: 'day', from }, signal })
    if (!from) days.clear()
    for (const each of answer.days ?? []) days.set(each.date, each)
    const begins = from ?? -Infinity
    gaps = [...gaps.filter((gap) => gap.to < begins), ...answer.gaps]
    draw()
  }
  let said = ''
  const draw = () => {
    const list = [...days.values()]
    none.hidden = list.length > 0
    view.el.hidden = list.length === 0
    const sum = (key) => list.reduce((total, each) => total + each[key], 0)
    const totals = { expected: sum('expected'), present: sum('present'), repaired: sum('repaired'), absent: sum('absent'), open: sum('open') }
    for (const [key, value] of Object.entries(totals)) text(cells[key], format.number(value))
    text(cells.share, totals.expected === 0 ? '–' : format.percent(Math.floor((totals.present / totals.expected) * 10_000) / 100, 2))
    attr(cells.open, 'data-tone', totals.open > 0 ? 'warn' : null)
    const words = list.length === 0 ? '' : totals.open > 0 ? t('completeness.hasOpen', { n: format.number(totals.open), count: totals.open }) : totals.absent > 0 ? t('completeness.wholeButAbsent', { n: format.number(totals.absent), count: totals.absent }) : t('completeness.whole')
    attr(verdict, 'data-tone', totals.open > 0 ? 'warn' : 'good')
    text(verdict, words)
    if (said !== '' && words !== said) announce(words)
    said = words
    view.draw(list)
    const known = gaps.filter((gap) => gap.state !== 'repaired' || gap.missing > 0).sort((a, b) => b.from - a.from)
    gapCard.hidden = known.length === 0
    gapRows.replaceChildren(...known.slice(0, mostGaps).map((gap) => h('tr', null,
      h('td', null, h('span', { class: 'badge', data: { tone: { open: 'warn', absent: 'calm', repaired: 'info' }[gap.state] } }, t(`completeness.state.${gap.state}`))),
      h('td', { class: 'num' }, h('a', { href: `${place('market', series)}?at=${new Date(gap.from).toISOString().slice(0, 10)}` }, format.minute(gap.from))),
      h('td', { class: 'num' }, format.minute(gap.to)), h('td', { class: 'num' }, format.number(gap.missing)), h('td', { class: 'num' }, format.number(gap.proofs)))))
  }
  // While candles come the newest days are looked at again; when the ledger changes, all of them.
  let ledger = JSON.stringify(live.system?.gaps ?? null)
  let wholeAt = Date.now()
  whenStored(live, signal, often, () => {
    const now = JSON.stringify(live.system?.gaps ?? null)
    const last = [...days.keys()].sort().at(-1)
    const whole = now !== ledger || last === undefined || Date.now() - wholeAt > seldom
    return load(whole ? undefined : Date.parse(last) - day).then(() => {
      ledger = now
      if (whole) wholeAt = Date.now()
    })
  })
  await load()
}
