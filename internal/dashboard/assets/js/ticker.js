// One clock for all that counts seconds, at rest while nobody looks.
const listeners = new Set()
let timer = 0

function beat() {
  if (!document.hidden) for (const fn of listeners) fn()
}

/** everySecond calls fn once a second, until its signal ends. */
export function everySecond(fn, signal) {
  listeners.add(fn)
  if (timer === 0) timer = setInterval(beat, 1000)
  signal.addEventListener('abort', () => {
    listeners.delete(fn)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = 0
  }, { once: true })
}
document.addEventListener('visibilitychange', beat)

/** perFrame gives a function that calls fn in the next frame, once however often it is called. */
export function perFrame(fn) {
  let asked = 0
  return () => {
    if (asked === 0)
      asked = requestAnimationFrame(() => {
        asked = 0
        fn()
      })
  }
}
