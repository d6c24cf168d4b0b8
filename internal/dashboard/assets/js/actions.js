// Stopping and starting anew: each asks first, and says what will happen.
import { confirm } from './dialog.js'

/** done tells what the server said. The row whose button was pressed may be gone: then the focus goes to the heading. */
function done(answer, toast) {
  if (!answer) return null
  toast(answer.message)
  if (document.activeElement === document.body) {
    const heading = document.querySelector('main h1')
    heading?.setAttribute('tabindex', '-1')
    heading?.focus({ preventScroll: true })
  }
  return answer
}

export async function askStop(entry, { api, t, toast, signal }) {
  const name = { symbol: entry.symbol, timeframe: entry.timeframe, pid: entry.pid }
  const answer = await confirm({
    t, signal, danger: true,
    title: t('stop.title', name),
    text: entry.pid > 0 ? t('stop.text', name) : t('stop.textNoProcess', name),
    points: [t('stop.kept'), t('stop.gap'), t('stop.again')],
    action: t('stop.action'),
    act: () => api.post('/api/collectors/stop', { id: entry.id }),
  })
  return done(answer, toast)
}

export async function askRestart(entry, { api, t, toast, signal }) {
  const name = { symbol: entry.symbol, timeframe: entry.timeframe, pid: entry.pid }
  const answer = await confirm({
    t, signal,
    title: t('restart.title', name),
    text: entry.pid > 0 ? t('restart.text', name) : t('restart.textNoProcess', name),
    points: [t('restart.kept'), t('restart.pid')],
    action: t('restart.action'),
    act: () => api.post('/api/collectors/restart', { id: entry.id }),
  })
  return done(answer, toast)
}

export async function askStopAll(count, { api, t, toast, signal }) {
  const answer = await confirm({
    t, signal, danger: true,
    title: t('stopAll.title', { n: count }),
    text: t('stopAll.text', { n: count }),
    points: [t('stop.kept'), t('stopAll.gap')],
    action: t('stopAll.action', { n: count }),
    act: () => api.post('/api/collectors/stop-all', {}),
  })
  return done(answer, toast)
}
