// The lives of a collector's process on a line: when each began, how long it held, how it ended.
import { h, set } from './dom.js'

const height = 64
const spans = [['all', Infinity], ['7d', 7 * 24 * 3600e3], ['24h', 24 * 3600e3], ['1h', 3600e3]]

/** endOf says how a life ended: 'running', 'calm' (as it was told, or code 0) or 'crash'. */
export function endOf(life) {
  if (!life.endedAt) return 'running'
  return life.code === 0 || life.signal === 15 || life.signal === 2 ? 'calm' : 'crash'
}

/** lifeLine makes the drawing. draw(lives, now) shows them, newest first; the current life has no endedAt. */
export function lifeLine({ t, format, signal }) {
  let span = 'all'
  let drawn = { lives: [], now: Date.now() }
  const svg = h('svg', { class: 'life', role: 'img', height, 'aria-label': t('life.label') })
  const choice = h('div', { class: 'segments', role: 'group', 'aria-label': t('life.span') }, spans.map(([name]) => h('button', { type: 'button', data: { span: name }, onclick: () => {
    span = name
    paint()
  } }, t(`life.span.${name}`))))
  const frame = h('div', { class: 'life-frame' }, svg)
  const size = new ResizeObserver(() => paint())
  size.observe(frame)
  signal.addEventListener('abort', () => size.disconnect(), { once: true })

  function paint() {
    const { lives, now } = drawn
    for (const button of choice.children) button.setAttribute('aria-pressed', String(button.dataset.span === span))
    const width = Math.max(200, frame.clientWidth)
    const oldest = lives.reduce((least, life) => Math.min(least, Date.parse(life.startedAt)), now)
    const from = Math.max(oldest, now - spans.find(([name]) => name === span)[1])
    const reach = Math.max(now - from, 1000)
    const pad = 10
    const x = (at) => pad + ((Math.min(Math.max(at, from), now) - from) / reach) * (width - 2 * pad)
    const nodes = [h('rect', { class: 'life-base', x: pad, y: 17, width: width - 2 * pad, height: 18, rx: 3 })]
    // The ends stand in front of the bars: the shortest life shows how it ended.
    const ends = []
    for (const life of [...lives].reverse()) {
      const begun = Date.parse(life.startedAt)
      const ended = life.endedAt ? Date.parse(life.endedAt) : now
      if (ended < from) continue
      const kind = endOf(life)
      const words = kind === 'running'
        ? t('life.running', { pid: life.pid, at: format.instant(begun), span: format.duration(now - begun) })
        : t('life.ended', { pid: life.pid, at: format.instant(begun), span: format.duration(ended - begun), how: life.reason ? `${life.text}: ${life.reason}` : life.text })
      const left = x(begun)
      const bar = h('rect', { class: 'life-bar', data: { kind }, x: left.toFixed(1), y: 17, width: Math.max(3, x(ended) - left).toFixed(1), height: 18, rx: 3 }, svgTitle(words))
      nodes.push(bar)
      if (begun >= from) ends.push(h('path', { class: 'life-start', d: `M${left.toFixed(1)} 12V40` }, svgTitle(words)))
      if (kind === 'crash') {
        const at = x(ended)
        ends.push(h('path', { class: 'life-crash', d: `M${(at - 5).toFixed(1)} 4h10l-5 8z` }, svgTitle(words)))
      } else if (kind === 'calm') ends.push(h('circle', { class: 'life-calm', cx: x(ended).toFixed(1), cy: 8, r: 4 }, svgTitle(words)))
    }
    const marks = Math.max(2, Math.min(6, Math.floor(width / 150)))
    const ticks = Array.from({ length: marks }, (_, i) => {
      const at = from + (reach * i) / (marks - 1)
      const node = document.createElementNS('http://www.w3.org/2000/svg', 'text')
      set(node, { class: 'life-tick', x: x(at).toFixed(1), y: 58, 'text-anchor': i === 0 ? 'start' : i === marks - 1 ? 'end' : 'middle' })
      node.textContent = i === marks - 1 ? t('life.now') : reach > 36 * 3600e3 ? format.minute(at).slice(5) : format.time(at)
      return node
    })
    set(svg, { viewBox: `0 0 ${width} ${height}`, width })
    svg.replaceChildren(...nodes, ...ends, ...ticks)
  }
  return {
    el: frame,
    choice,
    draw(lives, now) {
      drawn = { lives, now }
      paint()
    },
  }
}

function svgTitle(words) {
  const title = document.createElementNS('http://www.w3.org/2000/svg', 'title')
  title.textContent = words
  return title
}
