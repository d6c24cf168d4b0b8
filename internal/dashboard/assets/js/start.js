// The form that starts a collector.
import { busy, open } from './dialog.js'
import { h, text, uid } from './dom.js'
import { timeframes } from './format.js'
import { combobox } from './combobox.js'
import { phaseOf } from './phases.js'

const spans = [['', 0], ['24h', 1], ['7d', 7], ['30d', 30], ['365d', 365]] // what the call takes, and days
const common = ['1s', '1m', '5m', '15m', '1h', '4h', '1d']
const day = 24 * 3600 * 1000

/** openStart shows the form; it closes when the server has started the collector. */
export function openStart({ api, live, t, format, toast, announce, signal }, preset = {}) {
  const exchanges = new Set(['binance', ...[...live.collectors.values()].map((entry) => entry.exchange), ...(live.system?.budgets ?? []).map((budget) => budget.exchange)])
  const ids = { symbol: uid('symbol'), hint: uid('hint'), exchange: uid('exchange'), from: uid('from') }
  const done = new AbortController()
  const exchange = h('select', { class: 'select', id: ids.exchange, onchange: () => summary() }, [...exchanges].map((name) => h('option', { value: name }, name)))
  const symbols = combobox({
    id: ids.symbol, describedby: ids.hint, t, said: announce, changed: () => summary(), signal: AbortSignal.any([done.signal, signal]),
    ask: async (search, cancelled) => {
      const answer = await api.get('/api/symbols', { query: { exchange: exchange.value, search, limit: 12 }, signal: cancelled })
      return { options: answer.symbols ?? [], total: answer.total ?? answer.symbols?.length ?? 0 }
    },
  })
  symbols.input.value = preset.symbol ?? ''

  const radio = (group, value, label, checked) => h('label', null, h('input', { type: 'radio', name: group, value, checked, onchange: () => summary() }), h('span', null, label))
  const chosen = preset.timeframe ?? '1m'
  const less = common.includes(chosen) ? [...timeframes.keys()].filter((each) => !common.includes(each)) : []
  const frames = h('div', { class: 'segments mono' }, [...timeframes.keys()].map((each) => {
    const label = radio('timeframe', each, each, each === chosen)
    label.hidden = less.includes(each)
    return label
  }))
  if (less.length > 0) {
    frames.append(h('button', { type: 'button', onclick: (event) => {
      for (const label of frames.children) label.hidden = false
      event.currentTarget.remove()
      frames.querySelector(`[value="${less[0]}"]`).focus()
    } }, t('start.moreTimeframes')))
  }
  const from = h('input', { class: 'input', id: ids.from, type: 'datetime-local', onchange: () => summary(), oninput: () => summary() })
  const fromField = h('div', { class: 'field', hidden: true }, h('label', { for: ids.from }, t('start.from')), from)
  const since = h('div', { class: 'segments' }, spans.map(([value]) => radio('since', value, t(value === '' ? 'start.now' : `start.since.${value}`), value === '')), radio('since', 'from', t('start.since.from'), false))
  const alert = h('p', { class: 'form-error', role: 'alert', hidden: true })
  const preview = h('p', { class: 'hint start-preview' })
  const go = h('button', { class: 'button primary', type: 'submit' }, t('start.go'))
  const form = h('form', { novalidate: true },
    h('div', { class: 'dialog-body' },
      h('div', { class: 'start-market' },
        h('div', { class: 'field' }, h('label', { for: ids.symbol }, t('start.symbol')), symbols.el),
        h('div', { class: 'field' }, h('label', { for: ids.exchange }, t('start.exchange')), exchange),
        h('p', { class: 'hint', id: ids.hint }, t('start.symbolHint'))),
      h('fieldset', { class: 'field' }, h('legend', null, t('start.timeframe')), frames),
      h('fieldset', { class: 'field' }, h('legend', null, t('start.since')), since),
      fromField, preview, alert),
    h('footer', { class: 'dialog-foot' }, h('button', { class: 'button', type: 'button', onclick: () => dialog.close() }, t('dialog.cancel')), go))

  const value = (name) => form.querySelector(`[name=${name}]:checked`).value
  const sinceValue = () => {
    if (value('since') !== 'from') return value('since')
    const ms = Date.parse(`${from.value}Z`)
    return Number.isFinite(ms) ? new Date(ms).toISOString() : ''
  }
  function summary() {
    fromField.hidden = value('since') !== 'from'
    const names = symbols.input.value.split(',').map((each) => each.trim()).filter(Boolean)
    if (names.length === 0) {
      text(preview, t('start.previewEmpty'))
      return
    }
    const span = value('since') === 'from' ? Math.max(0, Date.now() - Date.parse(`${from.value}Z`)) : (spans.find(([each]) => each === value('since'))?.[1] ?? 0) * day
    const each = Math.floor(span / timeframes.get(value('timeframe')))
    const what = { symbol: names.join(', '), timeframe: value('timeframe') }
    if (!Number.isFinite(span) || each === 0) text(preview, t('start.preview', what))
    else text(preview, t('start.previewSince', { ...what, candles: format.number(each) }))
  }
  const refuse = (words, node) => {
    alert.replaceChildren(words, ...(node ? [' ', node] : []))
    alert.hidden = false
    alert.scrollIntoView({ block: 'nearest' })
  }
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    symbols.close()
    alert.hidden = true
    symbols.input.removeAttribute('aria-invalid')
    const body = { symbol: symbols.settle(), timeframe: value('timeframe'), exchange: exchange.value }
    if (body.symbol === '' || (value('since') === 'from' && sinceValue() === '')) {
      const field = body.symbol === '' ? symbols.input : from
      field.setAttribute('aria-invalid', 'true')
      refuse(t(body.symbol === '' ? 'start.needSymbol' : 'start.needFrom'))
      field.focus()
      return
    }
    if (sinceValue() !== '') body.since = sinceValue()
    busy(dialog, go, true)
    try {
      const answer = await api.post('/api/collectors/start', body)
      dialog.close()
      toast(answer.message, { link: `/collectors/${answer.id}`, label: t('start.look') })
    } catch (error) {
      if (/symbol|selector/.test(error.code)) symbols.input.setAttribute('aria-invalid', 'true')
      const id = error.code === 'already_running' ? error.body?.id : 0
      const entry = live.collectors.get(id)
      refuse(error.message, id && h('a', { href: `/collectors/${id}`, onclick: () => dialog.close() }, t('start.see', { phase: entry ? t(`phase.${phaseOf(entry)}`) : `#${id}` })))
    } finally {
      busy(dialog, go, false)
    }
  })
  const dialog = open({ title: t('start.title'), content: form, t, wide: true, signal, closed: () => done.abort() })
  symbols.input.focus()
  summary()
  return dialog
}
