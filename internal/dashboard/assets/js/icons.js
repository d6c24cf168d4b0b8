// Drawings of 24 by 24, one stroke wide, in the colour of the text.
import { h } from './dom.js'

const drawings = {
  collectors: 'M4 6h16M4 12h16M4 18h10',
  market: 'M7 3v4m0 8v6M4.500 7h5v8h-5zM17 3v6m0 6v6m-2.500-12h5v6h-5z',
  completeness: 'M4 4h4v4H4zM10 4h4v4h-4zM16 4h4v4h-4zM4 10h4v4H4zM10 10h4v4h-4zM16 10h4v4h-4zM4 16h4v4H4zM10 16h4v4h-4z',
  data: 'M4 6c0-1.700 3.600-3 8-3s8 1.300 8 3-3.600 3-8 3-8-1.300-8-3zm0 0v12c0 1.700 3.600 3 8 3s8-1.300 8-3V6M4 12c0 1.700 3.600 3 8 3s8-1.300 8-3',
  system: 'M3 12h4l3-8 4 16 3-8h4',
  plus: 'M12 5v14M5 12h14',
  stop: 'M7 7h10v10H7z',
  restart: 'M20 11a8 8 0 1 0-2.300 6.300M20 5v6h-6',
  logs: 'M5 5h14M5 10h10M5 15h14M5 20h7',
  chart: 'M4 19l5-6 4 3 7-9',
  calendar: 'M5 6h14v14H5zM5 10h14M9 3v4m6-4v4',
  close: 'M6 6l12 12M18 6L6 18',
  check: 'M5 12.500l4.500 4.500L19 7.500',
  alert: 'M12 4l9 16H3zM12 10v5m0 2.500v.500',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v3m0 14v3M4.900 4.900l2.100 2.100m10 10 2.100 2.100M2 12h3m14 0h3M4.900 19.100 7 17M17 7l2.100-2.100',
  moon: 'M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500z',
  auto: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 3v18M12 7h6.500M12 11h8.500M12 15h8M12 19h4',
  search: 'M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM15.500 15.500L20 20',
  pause: 'M8 5v14M16 5v14',
  play: 'M7 5l12 7-12 7z',
  down: 'M12 5v14m-6-6 6 6 6-6',
  wrap: 'M4 6h16M4 12h12a3 3 0 0 1 0 6h-4m2.500-2.500L12 18l2.500 2.500M4 18h4',
  more: 'M5 12h.010M12 12h.010M19 12h.010',
  left: 'M15 5l-7 7 7 7',
  right: 'M9 5l7 7-7 7',
  sort: 'M8 5v14m-3-3 3 3 3-3M16 19V5m-3 3 3-3 3 3',
  leave: 'M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9',
  lock: 'M6 11h12v9H6zM8 11V8a4 4 0 0 1 8 0v3',
}

export function icon(name) {
  return h('svg', { class: 'icon', viewBox: '0 0 24 24', 'aria-hidden': 'true', focusable: 'false' }, h('path', { d: drawings[name] }))
}
