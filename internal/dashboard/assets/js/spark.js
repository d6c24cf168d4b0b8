// A small line of how a figure went. It is an ornament for eyes: the figure beside it is the fact.
import { attr, h } from './dom.js'

const width = 100
const height = 32

/** sparkline makes the drawing; draw(values) fills it, oldest first; null is a hole. */
export function sparkline({ from = null, className = '' } = {}) {
  const area = h('path', { class: 'spark-area' })
  const line = h('path', { class: 'spark-line' })
  const el = h('svg', { class: `spark ${className}`, viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true', focusable: 'false' }, area, line)
  return {
    el,
    draw(values, slots = values.length) {
      const known = values.filter((value) => value !== null && Number.isFinite(value))
      if (known.length < 2) {
        attr(line, 'd', '')
        attr(area, 'd', '')
        return
      }
      let low = from ?? Math.min(...known)
      let high = Math.max(...known)
      if (from !== null) high = high * 1.2 || 1 // a steady figure is no ceiling
      else {
        // What hardly moves is drawn so: a hundredth of the figure fills a quarter of the height.
        const room = Math.max(0, (Math.abs(high) * 0.04 || 1) - (high - low)) / 2
        low -= room
        high += room
      }
      const span = high - low
      const x = (i) => (width * (slots - values.length + i)) / (slots - 1)
      const y = (value) => height - 2 - ((value - low) / span) * (height - 4)
      let d = ''
      let fill = ''
      let begun = null
      const end = (i) => {
        if (begun !== null) fill += `L${x(i).toFixed(1)} ${height}L${x(begun).toFixed(1)} ${height}Z`
        begun = null
      }
      values.forEach((value, i) => {
        if (value === null || !Number.isFinite(value)) {
          end(i - 1)
          return
        }
        const point = `${begun === null ? 'M' : 'L'}${x(i).toFixed(1)} ${y(value).toFixed(1)}`
        d += point
        fill += point
        begun ??= i
      })
      end(values.length - 1)
      attr(line, 'd', d)
      attr(area, 'd', fill)
    },
  }
}
