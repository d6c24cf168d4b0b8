// A calendar of days, a year a block, a week a column: what is stored of each. A colour never stands
// alone: a day that is not simply complete has a mark of its own, and says what it is.
import { attr, h, text } from '../dom.js'

const day = 86_400_000

/** stateOf is what a day looks like. */
export function stateOf(each) {
  if (!each || each.expected === 0) return 'none'
  if (each.open > 0) return 'open'
  if (each.absent > 0) return each.present > 0 ? 'partly' : 'absent'
  return each.repaired > 0 ? 'repaired' : 'complete'
}

const states = ['complete', 'repaired', 'partly', 'absent', 'open', 'none']

/** calendar makes an empty one: el, and draw(days) with those of GET /api/coverage?by=day. */
export function calendar({ t, format, href }) {
  const years = h('div', { class: 'calendar-years' })
  const legend = h('ul', { class: 'calendar-legend' }, states.map((state) => h('li', null, h('i', { class: 'day', data: { state }, 'aria-hidden': 'true' }), t(`completeness.legend.${state}`))))
  const el = h('section', { class: 'card calendar', 'aria-labelledby': 'calendar-head' },
    h('div', { class: 'card-head' }, h('h2', { id: 'calendar-head' }, t('completeness.calendar')), legend), h('div', { class: 'card-body' }, years))
  const blocks = new Map() // by year
  let known = new Map() // days by date

  const dateOf = (ms) => new Date(ms).toISOString().slice(0, 10)
  const wordsOf = (date) => {
    const each = known.get(date)
    const state = stateOf(each)
    const when = format.day(Date.parse(date))
    if (state === 'none') return t('completeness.day.none', { date: when })
    return t(`completeness.day.${state}`, { date: when, present: format.number(each.present), expected: format.number(each.expected), open: format.number(each.open), absent: format.number(each.absent), repaired: format.number(each.repaired) })
  }

  function block(year) {
    const first = Date.UTC(year, 0, 1)
    const count = (Date.UTC(year + 1, 0, 1) - first) / day
    const lead = (new Date(first).getUTCDay() + 6) % 7 // weeks begin with Monday
    const weeks = Math.ceil((lead + count) / 7)
    const cells = []
    const rows = Array.from({ length: 7 }, (_, weekday) => {
      const row = h('div', { role: 'row', class: 'calendar-row' }, h('span', { role: 'rowheader', class: 'calendar-weekday' }, weekday % 2 === 0 ? format.weekday(Date.UTC(2024, 0, 1 + weekday)) : h('span', { class: 'sr-only' }, format.weekday(Date.UTC(2024, 0, 1 + weekday)))))
      for (let week = 0; week < weeks; week++) {
        const n = week * 7 + weekday - lead
        if (n < 0 || n >= count) {
          row.append(h('span', { role: 'gridcell', class: 'day-empty' }))
          continue
        }
        const date = dateOf(first + n * day)
        cells[n] = h('a', { class: 'day', tabindex: '-1', data: { date } })
        row.append(h('span', { role: 'gridcell' }, cells[n]))
      }
      return row
    })
    const months = h('div', { class: 'calendar-months', 'aria-hidden': 'true', style: { '--weeks': String(weeks) } }, Array.from({ length: 12 }, (_, month) => {
      const n = (Date.UTC(year, month, 1) - first) / day
      return h('span', { style: { 'grid-column': String(Math.floor((lead + n) / 7) + 2) } }, format.month(Date.UTC(year, month, 1)))
    }))
    const grid = h('div', { role: 'grid', class: 'calendar-grid', 'aria-label': t('completeness.year', { year: String(year) }), style: { '--weeks': String(weeks) } }, rows)
    const total = h('span', { class: 'muted' })
    const made = { cells, total, focus: count - 1, el: h('div', { class: 'calendar-year' }, h('h3', null, String(year), ' ', total), h('div', { class: 'calendar-scroll' }, months, grid)) }
    grid.addEventListener('keydown', (event) => move(made, event))
    grid.addEventListener('focusin', (event) => {
      const n = cells.indexOf(event.target)
      if (n >= 0) rove(made, n)
    })
    return made
  }

  /** rove lets one day of a year be reached by the tabulator. */
  function rove(made, n) {
    attr(made.cells[made.focus], 'tabindex', '-1')
    made.focus = n
    attr(made.cells[n], 'tabindex', '0')
  }

  function move(made, event) {
    const steps = { ArrowUp: -1, ArrowDown: 1, ArrowLeft: -7, ArrowRight: 7, PageUp: -28, PageDown: 28, Home: -Infinity, End: Infinity }
    const step = steps[event.key]
    if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    const last = made.cells.length - 1
    const n = made.focus + step
    if (n < 0 && Number.isFinite(step) && beside(made, -1)) return
    if (n > last && Number.isFinite(step) && beside(made, 1)) return
    const to = Math.min(last, Math.max(0, n))
    rove(made, to)
    made.cells[to].focus()
  }

  /** beside goes to the year before or after. Years stand newest first. */
  function beside(made, by) {
    const order = [...blocks.keys()].sort((a, b) => a - b)
    const year = order[order.findIndex((y) => blocks.get(y) === made) + by]
    if (year === undefined) return false
    const other = blocks.get(year)
    const to = by < 0 ? other.cells.length - 1 : 0
    rove(other, to)
    other.cells[to].focus()
    return true
  }

  return {
    el,
    draw(days) {
      known = new Map(days.map((each) => [each.date, each]))
      if (days.length === 0) return
      const dates = [...known.keys()].sort()
      const [from, to] = [Number(dates[0].slice(0, 4)), Number(dates.at(-1).slice(0, 4))]
      for (let year = from; year <= to; year++) {
        if (blocks.has(year)) continue
        const made = block(year)
        const newest = dates.filter((date) => date.startsWith(String(year))).at(-1)
        made.focus = Math.max(0, made.cells.findIndex((cell) => cell.dataset.date === newest))
        attr(made.cells[made.focus], 'tabindex', '0')
        blocks.set(year, made)
        years.replaceChildren(...[...blocks.entries()].sort((a, b) => b[0] - a[0]).map(([, each]) => each.el))
        // Where a year is wider than the page, its newest day is shown.
        requestAnimationFrame(() => {
          const scroll = made.el.lastElementChild
          scroll.scrollLeft = made.cells[made.focus].offsetLeft - scroll.clientWidth * 0.8
        })
      }
      for (const { cells, total } of blocks.values()) {
        let [present, expected] = [0, 0]
        for (const cell of cells) {
          const each = known.get(cell.dataset.date)
          attr(cell, 'data-state', stateOf(each))
          const words = wordsOf(cell.dataset.date)
          attr(cell, 'aria-label', words)
          attr(cell, 'title', words)
          attr(cell, 'href', each ? href(cell.dataset.date) : null)
          attr(cell, 'role', each ? null : 'img')
          present += each?.present ?? 0
          expected += each?.expected ?? 0
        }
        text(total, expected === 0 ? '' : t('completeness.ofYear', { present: format.number(present), expected: format.number(expected) }))
      }
    },
  }
}
