// What the server tells of itself all the time: GET /api/events, one connection for all pages.

const known = new Set(['session', 'collectors', 'changes', 'trouble', 'system'])
const kept = 180 // samples of the system: six minutes at one every two seconds

export class Live {
  collectors = new Map() // by id: the server's entry, and received (performance.now())
  system = null
  samples = [] // {at, system}, oldest first
  state = 'idle'
  ready = false // the first list has come
  trouble = null // {error, code}: the list cannot be had, and what is known of it is old
  session = null // {name, access, signedIn}; null where the server wants no token
  #listeners = { collectors: new Set(), system: new Set(), state: new Set() }
  #api
  #offset = 0 // the server's clock less ours, ms
  #close = null
  #refused = false // a change was answered with 403

  constructor(api) {
    this.#api = api
    api.forbidden = () => {
      this.#refused = true
      this.#tell('collectors', { all: false })
    }
  }

  start() {
    this.#close?.()
    this.#close = this.#api.stream('/api/events', {
      on: (name, data) => this.#event(name, data),
      state: (state, error, response) => {
        if (response) this.#clock(response.headers.get('Date'))
        this.state = state
        this.#tell('state', { state, error })
      },
    })
  }

  /** now is the server's clock in ms; within a second of the reader's own it is the reader's own. */
  now() {
    return Date.now() + this.#offset
  }

  on(name, fn, signal) {
    const set = this.#listeners[name]
    set.add(fn)
    const off = () => set.delete(fn)
    signal?.addEventListener('abort', off, { once: true })
    return off
  }

  /** readOnly tells that this session may change nothing. */
  get readOnly() {
    return this.#refused || this.session?.access === 'read'
  }

  /** stored differs from what it was when something may have been stored, or the ledger of gaps has changed. */
  get stored() {
    return JSON.stringify([this.system?.writer?.new, this.system?.writer?.changed, this.system?.gaps])
  }

  /** put takes an entry that a page asked for by itself. */
  put(entry) {
    this.collectors.set(entry.id, { ...entry, received: performance.now() })
  }

  #clock(date) {
    const server = Date.parse(date ?? '')
    const offset = server + 500 - Date.now() // the header has whole seconds
    this.#offset = Number.isFinite(offset) && Math.abs(offset) > 2000 ? offset : 0
  }

  #event(name, data) {
    if (!known.has(name)) return // a server of a later build may say more
    const body = JSON.parse(data)
    switch (name) {
      case 'session':
        this.session = body
        this.#tell('state', { state: this.state })
        break
      case 'collectors': {
        this.collectors = new Map()
        for (const entry of body.collectors) this.put(entry)
        this.ready = true
        this.#troubled(null)
        this.#tell('collectors', { all: true })
        break
      }
      case 'changes': {
        for (const entry of body.collectors ?? []) this.put(entry)
        for (const id of body.gone ?? []) this.collectors.delete(id)
        this.#tell('collectors', { all: false })
        break
      }
      case 'trouble':
        this.#troubled(body)
        this.#tell('collectors', { all: false })
        break
      case 'system':
        this.system = body
        this.samples.push({ at: this.now(), system: body })
        if (this.samples.length > kept) this.samples.shift()
        this.#tell('system', body)
        break
    }
  }

  #troubled(trouble) {
    if (this.trouble === null && trouble === null) return
    this.trouble = trouble
    this.#tell('state', { state: this.state })
  }

  #tell(name, what) {
    for (const fn of this.#listeners[name]) fn(what)
  }
}
