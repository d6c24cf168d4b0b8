// Calls to the server, in the reader's language, and its streams.

/** ApiError is a call that failed. message is a sentence for people: the server's own where it gave one. */
export class ApiError extends Error {
  constructor(message, { status = 0, code = '', body = null, cause } = {}) {
    super(message, { cause })
    this.name = 'ApiError'
    this.status = status // 0: the server could not be reached
    this.code = code // as in api/errors.go
    this.body = body
  }

  get unreachable() {
    return this.status === 0
  }
}

const firstWait = 500 // ms
const longestWait = 10_000 // ms
const hiddenFor = 15_000 // ms until a stream of a page that nobody sees is let go
const silentFor = 50_000 // ms without even a heart-beat, which the server sends every 15 s

export class Api {
  /** forbidden is told when a change was refused because this session may only read. */
  forbidden = () => {}
  #dictionary

  constructor(dictionary) {
    this.#dictionary = dictionary
  }

  get(path, options) {
    return this.#call('GET', path, options)
  }

  post(path, body = {}, options) {
    return this.#call('POST', path, { ...options, body })
  }

  /** url adds a query; members that are null, undefined or '' are left out. */
  url(path, query) {
    const given = Object.entries(query ?? {}).filter(([, value]) => value !== null && value !== undefined && value !== '')
    const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()
    return text === '' ? path : `${path}?${text}`
  }

  async #call(method, path, { query, body, signal } = {}) {
    const response = await this.#fetch(this.url(path, query), {
      method,
      signal,
      headers: { Accept: 'application/json', ...(body && { 'Content-Type': 'application/json' }) },
      body: body && JSON.stringify(body),
    })
    try {
      return await response.json()
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      throw new ApiError(this.#dictionary.t('error.unreadable'), { status: response.status, cause: error })
    }
  }

  async #fetch(url, options) {
    let response
    try {
      response = await fetch(url, { ...options, cache: 'no-store', headers: { ...options.headers, 'Accept-Language': this.#dictionary.lang } })
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason
      throw new ApiError(this.#dictionary.t('error.unreachable'), { cause: error })
    }
    if (response.ok) return response
    if (response.status === 401) {
      location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`)
    }
    const answer = await response.json().catch(() => null)
    if (response.status === 403 && options.method === 'POST' && answer?.code !== 'cross_origin') this.forbidden()
    const message = typeof answer?.error === 'string' && answer.error !== '' ? answer.error : this.#dictionary.t('error.status', { status: response.status })
    throw new ApiError(message, { status: response.status, code: answer?.code ?? '', body: answer })
  }

  /**
   * stream follows Server-Sent Events until its signal ends, the function it returns is called or
   * on() returns false. A lost connection is taken up again, with the id of the last event as
   * Last-Event-ID; a page that nobody sees lets go of it after a while (browsers have six
   * connections for all tabs together) and takes it up when it is looked at again.
   *
   *   on(name, data, id)  each event; name is 'message' where it has none; data is its text
   *   state(state, error) 'connecting', 'live', 'lost' (tried again), 'paused' (nobody looks), or
   *                       'refused' (the server said no: it is not tried again)
   *   last                id to begin after; lastParam names a query parameter for it as well
   */
  stream(path, { query, signal, on, state = () => {}, last = '' } = {}) {
    const stop = new AbortController()
    if (signal) signal.addEventListener('abort', () => stop.abort(signal.reason), { once: true, signal: stop.signal })
    if (signal?.aborted) stop.abort(signal.reason)
    const follow = async () => {
      let wait = firstWait
      while (!stop.signal.aborted) {
        const attempt = new AbortController()
        const ended = () => attempt.abort(new DOMException('ended', 'AbortError'))
        stop.signal.addEventListener('abort', ended, { once: true })
        const unwatch = whileHidden(hiddenFor, ended)
        addEventListener('pagehide', ended, { once: true }) // a page that is kept for the way back would keep its connection too
        let failure = null
        try {
          if (document.hidden) throw new DOMException('hidden', 'AbortError')
          const response = await this.#fetch(this.url(path, query), {
            signal: attempt.signal,
            headers: { Accept: 'text/event-stream', ...(last !== '' && { 'Last-Event-ID': last }) },
          })
          state('live', null, response)
          for await (const event of events(response.body, attempt)) {
            wait = firstWait
            if (event.id !== undefined) last = event.id
            if (on(event.name, event.data, event.id) === false) {
              stop.abort()
              break
            }
          }
        } catch (error) {
          failure = error
        } finally {
          unwatch()
          removeEventListener('pagehide', ended)
          stop.signal.removeEventListener('abort', ended)
          attempt.abort()
        }
        if (stop.signal.aborted) return
        if (document.hidden) {
          state('paused')
          await seen(stop.signal)
          state('connecting')
          continue
        }
        if (failure instanceof ApiError && failure.status >= 400 && failure.status < 500 && failure.status !== 429) {
          state('refused', failure)
          return
        }
        state('lost', failure)
        await pause(wait * (0.75 + Math.random() / 2), stop.signal)
        wait = Math.min(wait * 2, longestWait)
      }
    }
    state('connecting')
    follow()
    return () => stop.abort()
  }
}

/** events reads the wire form of Server-Sent Events (HTML standard, section 9.2). */
async function* events(body, attempt) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let name = ''
  let data = []
  let id
  let rest = ''
  let silence = 0
  try {
    for (;;) {
      clearTimeout(silence)
      silence = setTimeout(() => attempt.abort(new DOMException('silent', 'TimeoutError')), silentFor)
      const { value, done } = await reader.read()
      if (done) return
      const lines = (rest + value).split('\n')
      rest = lines.pop()
      for (const line of lines) {
        if (line === '') {
          if (data.length > 0) yield { name: name || 'message', data: data.join('\n'), id }
          name = ''
          data = []
          id = undefined
          continue
        }
        const colon = line.indexOf(':')
        if (colon === 0) continue // a heart-beat
        const field = colon < 0 ? line : line.slice(0, colon)
        const text = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
        if (field === 'data') data.push(text)
        else if (field === 'event') name = text
        else if (field === 'id') id = text
      }
    }
  } finally {
    clearTimeout(silence)
    reader.cancel().catch(() => {}) // it has ended already
  }
}

/** pause waits, shorter when the browser comes online or the page is looked at. */
function pause(ms, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      removeEventListener('online', done)
      removeEventListener('velador:retry', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    addEventListener('online', done)
    addEventListener('velador:retry', done)
    signal.addEventListener('abort', done)
  })
}

/** retryNow ends the pause of every stream that waits for its next attempt. */
export const retryNow = () => dispatchEvent(new Event('velador:retry'))

function seen(signal) {
  return new Promise((resolve) => {
    const look = () => {
      if (document.hidden && !signal.aborted) return
      document.removeEventListener('visibilitychange', look)
      signal.removeEventListener('abort', look)
      resolve()
    }
    document.addEventListener('visibilitychange', look)
    signal.addEventListener('abort', look)
    look()
  })
}

function whileHidden(ms, fn) {
  let timer = 0
  const look = () => {
    clearTimeout(timer)
    if (document.hidden) timer = setTimeout(fn, ms)
  }
  document.addEventListener('visibilitychange', look)
  look()
  return () => {
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', look)
  }
}
