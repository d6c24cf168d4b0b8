// A log as it is written: followed over Server-Sent Events, paused, searched.
import { h, text, uid } from './dom.js'
import { icon } from './icons.js'
import { perFrame } from './ticker.js'

const most = 2000 // lines that are kept
const levels = ['DEBUG', 'INFO', 'WARN', 'ERROR']

/** parse takes a line apart: slog's text form, its JSON form, or anything else as it is. */
export function parse(line) {
  const found = /^time=(\S+) level=([A-Z]+)\S* msg=("(?:[^"\\]|\\.)*"|\S*)\s?(.*)$/.exec(line)
  if (found) {
    let message = found[3]
    try {
      if (message.startsWith('"')) message = JSON.parse(message)
    } catch {
      message = message.slice(1, -1)
    }
    return { at: found[1], level: found[2], message, rest: found[4] }
  }
  if (line.startsWith('{')) {
    try {
      const { time, level, msg, ...rest } = JSON.parse(line)
      if (typeof msg === 'string') {
        const pairs = Object.entries(rest).map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
        return { at: time, level: String(level ?? '').toUpperCase(), message: msg, rest: pairs.join(' ') }
      }
    } catch {
      // a line of another make
    }
  }
  return { at: '', level: '', message: line, rest: '' }
}

/** logView makes the view of a collector's log and follows it until the signal ends. */
export function logView(id, { api, t, format, announce, signal }, { tail = 500 } = {}) {
  const all = [] // {line, parsed, el}
  const waiting = []
  let paused = false
  let words = ''
  let least = 0
  let stuck = true // to the newest line
  let shown = 0
  const ids = { filter: uid('log-filter'), level: uid('log-level') }

  const narrow = matchMedia('(max-width: 860px)').matches
  const lines = h('div', { class: narrow ? 'log-lines wrapped' : 'log-lines', role: 'log', 'aria-live': 'off', 'aria-label': t('logs.label'), tabindex: '0' })
  const state = h('span', { class: 'log-state muted' })
  const pause = h('button', { class: 'button small', type: 'button', onclick: () => setPaused(!paused) })
  const toEnd = h('button', { class: 'button small log-end', type: 'button', hidden: true, onclick: () => jump() }, icon('down'), h('span', null, t('logs.newest')))
  const filter = h('input', { class: 'input', id: ids.filter, type: 'search', placeholder: t('logs.filter'), autocomplete: 'off', spellcheck: 'false', oninput: (event) => {
    words = event.target.value.trim().toLowerCase()
    sift()
  } })
  const level = h('select', { class: 'select', id: ids.level, onchange: (event) => {
    least = Number(event.target.value)
    sift()
  } }, levels.map((name, i) => h('option', { value: i, selected: i === 0 }, i === 0 ? t('logs.allLevels') : t('logs.fromLevel', { level: name }))))
  const wrap = h('button', { class: 'icon-button', type: 'button', 'aria-pressed': String(narrow), 'aria-label': t('logs.wrap'), title: t('logs.wrap'), onclick: () => {
    const on = lines.classList.toggle('wrapped')
    wrap.setAttribute('aria-pressed', String(on))
    if (stuck) jump()
  } }, icon('wrap'))
  const nothing = h('p', { class: 'log-nothing muted' }, t('logs.waiting'))
  const el = h('div', { class: 'log' },
    h('div', { class: 'log-tools' },
      h('label', { class: 'searchbox', for: ids.filter }, h('span', { class: 'sr-only' }, t('logs.filter')), icon('search'), filter),
      h('label', { class: 'sr-only', for: ids.level }, t('logs.level')), level, pause, wrap, state),
    h('div', { class: 'log-frame' }, lines, nothing, toEnd))

  const fits = ({ line, parsed }) => (least === 0 || levels.indexOf(parsed.level) >= least) && (words === '' || line.toLowerCase().includes(words))
  const sift = () => {
    for (const each of all) each.el.hidden = !fits(each)
    count()
    if (stuck) jump()
  }
  const count = () => {
    shown = all.reduce((n, each) => n + (each.el.hidden ? 0 : 1), 0)
    nothing.hidden = shown > 0
    text(nothing, all.length === 0 ? t('logs.waiting') : t('logs.noMatch'))
    drawState()
  }
  let link = 'connecting'
  let ending = ''
  const drawState = () => {
    if (ending !== '') text(state, ending)
    else if (paused) text(state, t('logs.paused', { n: waiting.length, count: waiting.length }))
    else if (link === 'lost') text(state, t('link.lost'))
    else text(state, words !== '' || least > 0 ? t('logs.matches', { shown: format.number(shown), all: format.number(all.length) }) : t('logs.lines', { n: all.length }))
  }
  const settle = perFrame(() => stuck && (lines.scrollTop = lines.scrollHeight)) // lines that were never drawn had a guessed height
  const jump = () => {
    lines.scrollTop = lines.scrollHeight
    stuck = true
    toEnd.hidden = true
    settle()
  }
  lines.addEventListener('scroll', () => {
    stuck = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 24
    toEnd.hidden = stuck
  }, { passive: true })

  const drawPause = () => {
    pause.replaceChildren(icon(paused ? 'play' : 'pause'), h('span', null, t(paused ? 'logs.resume' : 'logs.pause')))
  }
  const setPaused = (on) => {
    paused = on
    drawPause()
    announce(t(on ? 'logs.saidPaused' : 'logs.saidResumed'))
    if (!on) pour()
    drawState()
  }

  const pour = perFrame(() => {
    if (paused || signal.aborted) {
      drawState()
      return
    }
    const fresh = waiting.splice(0, waiting.length).slice(-most)
    if (fresh.length === 0) return
    const fragment = document.createDocumentFragment()
    for (const line of fresh) {
      const parsed = parse(line)
      const each = { line, parsed, el: h('p', { data: { level: parsed.level } },
        parsed.at && h('time', { datetime: parsed.at, title: parsed.at }, format.time(parsed.at)),
        parsed.level && h('b', null, parsed.level),
        h('span', null, parsed.message, parsed.rest && h('i', null, ` ${parsed.rest}`))) }
      each.el.hidden = !fits(each)
      all.push(each)
      fragment.append(each.el)
    }
    for (const old of all.splice(0, Math.max(0, all.length - most))) old.el.remove()
    lines.append(fragment)
    count()
    if (stuck) jump()
  })

  const close = api.stream(`/api/collectors/${id}/logs`, {
    signal,
    query: { follow: 'true', tail },
    state: (next, error) => {
      link = next
      if (next === 'live') {
        // It begins again with the newest lines.
        for (const each of all.splice(0)) each.el.remove()
        waiting.length = 0
      }
      if (next === 'refused') {
        ending = error.message
        text(nothing, error.message)
      }
      drawState()
    },
    on: (name, data) => {
      if (name === 'end' || name === 'error') {
        ending = name === 'end' ? t('logs.ended') : (JSON.parse(data).error ?? t('logs.ended'))
        pause.hidden = true
        drawState()
        return false
      }
      waiting.push(data)
      if (waiting.length > most) waiting.shift()
      pour()
      return true
    },
  })
  drawPause()
  drawState()
  return { el, close }
}
