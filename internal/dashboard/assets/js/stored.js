// When to ask again for what the database holds.

const seldom = 60_000 // ms: another server on the same database stores too, and this one does not hear of it

/**
 * whenStored calls act, which asks for what is shown, after something was stored since it was asked the
 * last time, once in `least` ms at most, and now and then all the same. What act could not get is asked for again.
 */
export function whenStored(live, signal, least, act) {
  let asked = live.stored
  let at = Date.now()
  let timer = 0
  let busy = false
  const look = async () => {
    timer = 0
    if (document.hidden) return // the next news will do
    busy = true
    at = Date.now()
    asked = live.stored
    try {
      await act()
    } catch {
      asked = '' // the banner tells that the server is away
    }
    busy = false
  }
  live.on('system', () => {
    if (timer !== 0 || busy || signal.aborted) return
    if (live.stored !== asked || Date.now() - at > seldom) timer = setTimeout(look, Math.max(0, at + least - Date.now()))
  }, signal)
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
}
