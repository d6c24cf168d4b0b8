// The tables of the database, to be browsed: filters, sorting, page by page, and all of it as CSV.
import { attr, h, text, uid } from '../dom.js'
import { timeframes } from '../format.js'
import { icon } from '../icons.js'

const rowsOfPage = 50
const typed = 350 // ms without a key until what was typed is looked for

/** choices are the filters that take one of a few values. */
const choices = { status: ['running', 'error', 'stopped'], state: ['open', 'absent', 'repaired'], timeframe: [...timeframes.keys()] }
const wide = new Set(['lastError', 'lastExitReason', 'symbol'])

export async function mount(root, ctx) {
  const { t, api, format, signal, navigate, query, announce } = ctx
  const heading = h('h1', null, t('nav.data'))
  root.append(h('header', { class: 'page-head' }, h('div', { class: 'grow' }, heading, h('p', null, t('data.lead')))))

  const tabs = h('div', { class: 'segments', role: 'group', 'aria-label': t('data.tables') })
  const filters = h('form', { class: 'data-filters', onsubmit: (event) => event.preventDefault() })
  const head = h('tr')
  const body = h('tbody')
  const caption = h('caption', { class: 'sr-only' })
  const table = h('table', { class: 'table data-table' }, caption, h('thead', null, head), body)
  const wrap = h('div', { class: 'table-wrap', role: 'region', tabindex: '0', 'aria-label': t('data.rows') }, table)
  const none = h('p', { class: 'data-none muted', role: 'status', hidden: true })
  const failure = h('p', { class: 'form-error', role: 'alert', hidden: true })
  const previous = h('button', { class: 'button small', type: 'button', onclick: () => turn(-1) }, icon('left'), t('data.previous'))
  const next = h('button', { class: 'button small', type: 'button', onclick: () => turn(1) }, t('data.next'), icon('right'))
  const where = h('span', { class: 'muted', role: 'status' })
  const csv = h('a', { class: 'button small', download: true }, icon('down'), t('data.csv'))
  root.append(tabs, h('section', { class: 'card data-card' }, filters, failure, wrap, none, h('footer', { class: 'data-foot' }, previous, where, next, csv)))

  const { tables } = await api.get('/api/data', { signal })
  const known = new Map(tables.map((each) => [each.name, each]))
  let current = known.get(query.get('table')) ?? tables[0]
  let given = {} // the filters' values
  let sort = ''
  let order = 'asc'
  let cursors = [''] // of the pages so far; the last one is shown
  let following = null // cursor of the page behind
  let asked = 0

  for (const each of tables) {
    tabs.append(h('button', { type: 'button', data: { table: each.name }, onclick: () => choose(each, {}) }, t(`data.table.${each.name}`)))
  }

  const params = () => ({ ...given, sort, order: sort ? order : '' })
  /** asks is what the server is asked: its instants are included, and a day's own would be its first. */
  const asks = () => ({ ...params(), to: /^\d{4}-\d\d-\d\d$/.test(given.to) ? `${given.to}T23:59:59.999Z` : given.to })
  const missing = () => (current.name === 'candles' && (!given.symbol || !given.timeframe))

  function choose(table, values) {
    current = table
    given = values
    sort = ''
    order = 'asc'
    drawFilters()
    for (const tab of tabs.children) attr(tab, 'aria-pressed', String(tab.dataset.table === table.name))
    again()
  }

  /** again shows the first page of what is chosen. */
  function again() {
    cursors = ['']
    return load()
  }

  function turn(by) {
    if (by > 0 && following !== null) cursors.push(following)
    else if (by < 0 && cursors.length > 1) cursors.pop()
    else return
    load()
  }

  async function load() {
    navigate(api.url('/data', { table: current.name, ...params() }), { replace: true, silent: true })
    attr(csv, 'href', api.url(`/api/data/${current.name}`, { ...asks(), format: 'csv' }))
    const turnNumber = ++asked
    failure.hidden = true
    if (missing()) {
      show({ columns: current.columns, rows: [], next: null }, t('data.needSeries'))
      csv.hidden = true
      return
    }
    csv.hidden = false
    attr(wrap, 'aria-busy', 'true')
    try {
      const answer = await api.get(`/api/data/${current.name}`, { query: { ...asks(), limit: rowsOfPage, cursor: cursors.at(-1) }, signal })
      if (turnNumber === asked) show(answer, t('data.none'))
    } catch (error) {
      if (signal.aborted || turnNumber !== asked) return
      failure.hidden = false
      text(failure, error.message)
      show({ columns: current.columns, rows: [], next: null }, '')
    } finally {
      if (turnNumber === asked) attr(wrap, 'aria-busy', null)
    }
  }

  function show({ columns, rows, next: cursor }, empty) {
    following = cursor
    text(caption, t(`data.table.${current.name}`))
    head.replaceChildren(...columns.map((column) => {
      const words = t(`data.col.${column.name}`)
      const sorted = sort === column.name ? (order === 'asc' ? 'ascending' : 'descending') : null
      return h('th', { scope: 'col', class: numeric(column) ? 'num' : null, 'aria-sort': sorted },
        column.sort ? h('button', { type: 'button', onclick: () => sortBy(column.name) }, words) : words)
    }))
    body.replaceChildren(...rows.map((row) => h('tr', null, columns.map((column, i) => cell(column, row[i])))))
    wrap.hidden = rows.length === 0
    none.hidden = rows.length > 0 || empty === ''
    text(none, empty)
    const first = (cursors.length - 1) * rowsOfPage
    text(where, rows.length === 0 ? '' : t('data.where', { from: format.number(first + 1), to: format.number(first + rows.length) }))
    previous.disabled = cursors.length === 1
    next.disabled = following === null
    wrap.scrollTo(0, 0)
    if (rows.length > 0) announce(where.textContent)
  }

  function sortBy(column) {
    if (sort !== column) [sort, order] = [column, 'asc']
    else if (order === 'asc') order = 'desc'
    else [sort, order] = ['', 'asc']
    again().then(() => [...head.querySelectorAll('button')].find((button) => button.textContent === t(`data.col.${column}`))?.focus())
  }

  function cell(column, value) {
    if (value === null) return h('td', { class: numeric(column) ? 'num faint' : 'faint' }, '–')
    switch (column.type) {
      case 'time':
        return h('td', { class: 'num' }, h('time', { datetime: new Date(value).toISOString() }, format.instant(value)))
      case 'integer':
        return h('td', { class: 'num' }, column.name === 'id' || column.name === 'pid' ? String(value) : format.number(value))
      case 'decimal':
        return h('td', { class: 'num mono' }, value)
      case 'boolean':
        return h('td', null, t(value ? 'data.yes' : 'data.no'))
    }
    if (column.name === 'state' || column.name === 'status') return h('td', null, h('span', { class: 'badge', data: { tone: toneOf(value) } }, t(`data.value.${value}`)))
    return h('td', { class: wide.has(column.name) ? 'data-wide' : null }, column.name === 'symbol' ? broken(value) : value)
  }

  function drawFilters() {
    let timer = 0
    filters.replaceChildren(...current.filters.map((name) => {
      const id = uid(`data-${name}`)
      const change = (value) => {
        if (value) given[name] = value
        else delete given[name]
        again()
      }
      let control
      if (choices[name]) {
        control = h('select', { class: 'select', id, onchange: (event) => change(event.target.value) },
          h('option', { value: '' }, current.name === 'candles' ? t('data.choose') : t('data.any')),
          choices[name].map((value) => h('option', { value, selected: given[name] === value }, name === 'timeframe' ? value : t(`data.value.${value}`))))
      } else {
        const dated = name === 'from' || name === 'to'
        control = h('input', { class: 'input', id, type: dated ? 'date' : name === 'search' ? 'search' : 'text', value: given[name] ?? '', autocomplete: 'off', spellcheck: 'false',
          onchange: (event) => { clearTimeout(timer); change(event.target.value.trim()) },
          oninput: (event) => {
            if (dated) return
            clearTimeout(timer)
            timer = setTimeout(() => change(event.target.value.trim()), typed)
          } })
      }
      return h('div', { class: 'field' }, h('label', { for: id }, t(`data.filter.${name}`)), control)
    }))
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
  }

  const asGiven = {}
  for (const name of current.filters) if (query.get(name)) asGiven[name] = query.get(name)
  const [wantedSort, wantedOrder] = [query.get('sort') ?? '', query.get('order') ?? 'asc']
  choose(current, asGiven)
  if (current.columns.some((column) => column.sort && column.name === wantedSort)) {
    ;[sort, order] = [wantedSort, wantedOrder === 'desc' ? 'desc' : 'asc']
    again()
  }
}

/** broken lets a list of symbols break behind its commas. */
const broken = (list) => list.split(/(?<=,)/).flatMap((symbol, i) => (i === 0 ? [symbol] : [h('wbr'), symbol]))
const numeric = (column) => ['integer', 'decimal', 'time'].includes(column.type)
const toneOf = (value) => ({ running: 'good', error: 'bad', stopped: 'calm', open: 'warn', absent: 'calm', repaired: 'info' })[value] ?? 'calm'
