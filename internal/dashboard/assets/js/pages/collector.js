// One collector: its state, its lives, its series, what it says.
import { askRestart, askStop } from '../actions.js'
import { ApiError } from '../api.js'
import { attr, h, keyed, text } from '../dom.js'
import { icon } from '../icons.js'
import { endOf, lifeLine } from '../lifeline.js'
import { logView } from '../logview.js'
import { ageOf, follows, marketOf, noteOf, phaseOf, tones, uptimeOf } from '../phases.js'
import { openStart } from '../start.js'
import { whenStored } from '../stored.js'
import { everySecond, perFrame } from '../ticker.js'

const livesAsked = 100
const seriesShown = 200
const often = 15_000 // ms between two looks at the series

export async function mount(root, ctx) {
  const { t, api, live, format, signal, params, title } = ctx
  const id = Number(params.id)

  const heading = h('h1', null, t('collector.title', { id: params.id }))
  const badge = h('span', { class: 'badge' }, '\u00A0')
  const about = h('p', null, '\u00A0')
  const note = h('p', { class: 'collector-note', role: 'status', hidden: true })
  const button = (name, kind, run) => h('button', { class: `button ${kind}`, type: 'button', onclick: run }, icon(name), h('span', null, t(`collector.${name}`)))
  const chart = h('a', { class: 'button', hidden: true }, icon('chart'), h('span', null, t('collector.chart')))
  const calendar = h('a', { class: 'button', hidden: true }, icon('calendar'), h('span', null, t('collector.calendar')))
  const restart = button('restart', '', () => askRestart(entry, ctx))
  const stop = button('stop', '', () => askStop(entry, ctx))
  const again = button('play', 'primary', () => openStart(ctx, { symbol: entry.symbol, timeframe: entry.timeframe }))
  const actions = h('div', { class: 'actions' }, chart, calendar, restart, stop, again)
  for (const el of [restart, stop, again]) el.hidden = true

  const facts = new Facts(ctx)
  const line = lifeLine(ctx)
  const lifeRows = h('tbody')
  const lifeCard = h('section', { class: 'card', 'aria-labelledby': 'life-title' },
    h('div', { class: 'card-head' }, h('h2', { id: 'life-title' }, t('life.title')), line.choice),
    h('div', { class: 'card-body life-body' }, line.el,
      h('details', { class: 'lives' }, h('summary', null, t('life.list')),
        h('div', { class: 'table-wrap' }, h('table', { class: 'table' },
          h('thead', null, h('tr', null, ['started', 'length', 'pid', 'how'].map((key) => h('th', { scope: 'col', class: key === 'pid' ? 'num' : null }, t(`life.col.${key}`))))), lifeRows)))))
  const seriesCount = h('span', { class: 'muted' })
  const seriesBody = h('tbody')
  const seriesNone = h('p', { class: 'card-body muted', hidden: true })
  const seriesTable = h('div', { class: 'table-wrap', hidden: true, tabindex: '0', role: 'region', 'aria-label': t('series.table') }, h('table', { class: 'table series-table' },
    h('thead', null, h('tr', null, ['symbol', 'state', 'first', 'last', 'open', 'absent', 'links'].map((key) =>
      h('th', { scope: 'col', class: key === 'open' || key === 'absent' ? 'num' : null }, key === 'links' ? h('span', { class: 'sr-only' }, t('series.col.links')) : t(`series.col.${key}`))))), seriesBody))
  const seriesCard = h('section', { class: 'card', 'aria-labelledby': 'series-title' },
    h('div', { class: 'card-head' }, h('h2', { id: 'series-title' }, t('series.title')), seriesCount), seriesTable, seriesNone)
  const logCard = h('section', { class: 'card', 'aria-labelledby': 'log-title' }, h('div', { class: 'card-head' }, h('h2', { id: 'log-title' }, t('logs.heading'))))

  root.append(
    h('nav', { class: 'crumb', 'aria-label': t('collector.crumb') }, h('a', { href: '/' }, icon('left'), t('nav.collectors'))),
    h('header', { class: 'page-head' }, h('div', { class: 'grow' }, h('div', { class: 'title-line' }, heading, badge), about), actions),
    note, facts.el, h('div', { class: 'stack' }, lifeCard, seriesCard, logCard))

  let entry = live.collectors.get(id)
  if (!entry) {
    // A collector that is stopped is in no list; its record still is.
    try {
      entry = { ...(await api.get(`/api/collectors/${encodeURIComponent(params.id)}`, { signal })), received: performance.now() }
    } catch (error) {
      if (signal.aborted) return () => {}
      if (!(error instanceof ApiError) || error.unreachable || error.status >= 500) throw error
      title(t('collector.unknown'))
      root.replaceChildren(h('section', { class: 'empty' }, icon('search'), h('h1', null, t('collector.unknown')), h('p', null, error.message), h('a', { class: 'button primary', href: '/' }, t('nav.collectors'))))
      return () => {}
    }
  }

  let lives = []
  const draw = () => {
    const phase = phaseOf(entry)
    const over = phase === 'stopped'
    text(heading, `${entry.symbol} · ${entry.timeframe}`)
    title(`${entry.symbol} ${entry.timeframe}`)
    text(badge, t(`phase.${phase}`))
    attr(badge, 'data-tone', tones[phase])
    text(about, t('collector.about', { exchange: entry.exchange, host: entry.host, id: entry.id }))
    const words = noteOf(entry, ctx)
    text(note, words)
    attr(note, 'data-tone', tones[phase])
    note.hidden = words === ''
    for (const [link, page] of [[chart, 'market'], [calendar, 'completeness']]) {
      const to = marketOf(entry, page)
      link.hidden = to === null
      if (to) attr(link, 'href', to)
    }
    restart.hidden = stop.hidden = live.readOnly || over
    again.hidden = live.readOnly || !over
    facts.draw(entry)
  }
  let listed = ''
  const drawLine = () => {
    const running = uptimeOf(entry, live.now()) !== null
    const all = running ? [{ pid: entry.pid, startedAt: entry.startedAt, endedAt: null }, ...lives] : lives
    line.draw(all, live.now())
    const key = JSON.stringify(all)
    if (key === listed) return // who selects a row keeps it
    listed = key
    lifeRows.replaceChildren(...all.map((life) => {
      const begun = Date.parse(life.startedAt)
      const kind = endOf(life)
      const how = kind === 'running' ? t('life.runs') : life.reason ? `${life.text}: ${life.reason}` : life.text
      return h('tr', null, h('td', null, format.instant(begun)), h('td', null, kind === 'running' ? '' : format.duration(Date.parse(life.endedAt) - begun)),
        h('td', { class: 'num' }, life.pid || '–'), h('td', { class: 'life-how', data: { kind } }, how))
    }))
  }

  let asked = ''
  const askLives = async () => {
    const key = `${entry.pid} ${entry.restarts} ${entry.lastExit?.at} ${phaseOf(entry) === 'stopped'}`
    if (asked === key) return
    asked = key
    try {
      lives = (await api.get(`/api/collectors/${id}/history`, { query: { limit: livesAsked }, signal })).lives
      if (!signal.aborted) drawLine()
    } catch (error) {
      asked = ''
      if (!signal.aborted) console.error(error) // the line is drawn again with the next change
    }
  }

  let series = []
  const row = keyed(seriesBody, (each) => each.symbol, (each) => {
    const place = `${encodeURIComponent(each.exchange)}/${encodeURIComponent(each.symbol)}/${each.timeframe}`
    const named = { symbol: each.symbol, timeframe: each.timeframe }
    return h('tr', null,
      h('th', { scope: 'row' }, h('a', { class: 'symbol', href: `/market/${place}` }, each.symbol)),
      h('td', null, h('span', { class: 'badge' })), h('td'), h('td'), h('td', { class: 'num' }), h('td', { class: 'num' }),
      h('td', null, h('div', { class: 'row-actions' },
        h('a', { class: 'icon-button small', href: `/market/${place}`, 'aria-label': t('series.chart', named), title: t('series.chart', named) }, icon('chart')),
        h('a', { class: 'icon-button small', href: `/completeness/${place}`, 'aria-label': t('series.calendar', named), title: t('series.calendar', named) }, icon('calendar')))))
  }, (el, each) => {
    const [, state, first, last, open, absent] = el.cells
    const tone = each.openGaps > 0 ? 'warn' : each.first == null ? 'calm' : 'good'
    text(state.firstElementChild, t(each.openGaps > 0 ? 'series.gaps' : each.first == null ? 'series.empty' : 'series.whole'))
    attr(state.firstElementChild, 'data-tone', tone)
    text(first, format.minute(each.first))
    text(last, format.minute(each.last))
    text(open, format.number(each.openGaps))
    text(absent, format.number(each.absentGaps))
  })
  const drawSeries = () => {
    const mine = series.filter((each) => follows(entry, each))
    seriesTable.hidden = mine.length === 0
    seriesNone.hidden = mine.length > 0
    text(seriesNone, t('series.none'))
    text(seriesCount, mine.length > seriesShown ? t('series.some', { shown: seriesShown, all: format.number(mine.length) }) : t('series.count', { n: mine.length }))
    row.render(mine.sort((a, b) => b.openGaps - a.openGaps || (a.symbol < b.symbol ? -1 : 1)).slice(0, seriesShown))
  }
  const askSeries = async () => {
    try {
      series = (await api.get('/api/series', { signal })).series ?? []
      if (!signal.aborted) drawSeries()
    } catch (error) {
      if (signal.aborted) return
      seriesNone.hidden = false
      text(seriesNone, error.message)
      throw error
    }
  }

  const changed = perFrame(() => {
    if (signal.aborted) return
    const now = live.collectors.get(id)
    if (now) entry = now
    else if (live.ready && phaseOf(entry) !== 'stopped') {
      gone()
      return
    }
    draw()
    askLives()
  })
  const gone = async () => {
    try {
      entry = { ...(await api.get(`/api/collectors/${id}`, { signal })), received: performance.now() }
      draw()
      askLives()
    } catch (error) {
      if (!signal.aborted) console.error(error) // it is asked again with the next change
    }
  }
  draw()
  drawLine()
  askLives()
  whenStored(live, signal, often, askSeries)
  askSeries().catch(() => {}) // it says so itself
  const view = logView(id, ctx)
  logCard.append(view.el)
  live.on('collectors', changed, signal)
  live.on('system', draw, signal)
  everySecond(() => {
    draw()
    if (uptimeOf(entry, live.now()) !== null) drawLine()
  }, signal)
  return () => view.close()
}

/** Facts are the figures of one collector. */
class Facts {
  #dd = {}

  constructor(ctx) {
    this.ctx = ctx
    const tile = (key) => {
      this.#dd[key] = [h('dd', null, '–'), h('dd', { class: 'note' }, '\u00A0')]
      return h('div', { class: 'tile' }, h('dt', null, ctx.t(`collector.fact.${key}`)), this.#dd[key])
    }
    this.el = h('dl', { class: 'tiles collector-facts' }, ['candle', 'rate', 'gaps', 'series', 'uptime', 'cpu', 'memory', 'restarts'].map(tile))
  }

  #set(key, value, note = '', tone = '') {
    const [big, small] = this.#dd[key]
    text(big, value)
    text(small, note || '\u00A0')
    attr(big, 'data-tone', tone || null)
  }

  draw(c) {
    const { t, format, live } = this.ctx
    this.#set('candle', c.lastCandle ? format.ago(ageOf(c)) : '–', c.lastCandle ? format.minute(c.lastCandle.openTime) : '')
    this.#set('rate', `${format.fixed(c.messagesPerSecond, 1)}\u202F/s`, t('collector.fact.candles', { n: format.number(c.candles), count: c.candles }))
    this.#set('gaps', format.number(c.openGaps), c.openGaps > 0 ? t('collector.fact.gapsOpen') : t('collector.fact.gapsNone'), c.openGaps > 0 ? 'warn' : '')
    this.#set('series', format.number(c.series), t('collector.fact.seriesLive', { n: format.number(c.seriesLive), count: c.seriesLive }))
    this.#set('uptime', format.duration(uptimeOf(c, live.now())), c.stoppedAt ? t('collector.fact.stopped', { at: format.minute(c.stoppedAt) }) : t('collector.fact.since', { at: format.minute(c.startedAt) }))
    this.#set('cpu', format.percent(c.cpu, 1), t('collector.fact.cpuNote'))
    this.#set('memory', c.memory.rss > 0 ? format.bytes(c.memory.uss || c.memory.rss) : '–', c.memory.uss ? t('collector.fact.memoryNote', { rss: format.bytes(c.memory.rss) }) : '')
    this.#set('restarts', format.number(c.restarts), c.pid > 0 ? `PID ${c.pid}${c.adopted ? ` · ${t('collector.fact.adopted')}` : ''}` : '')
  }
}
