// Which path shows which page.
//
// A page is a module pages/NAME.js with
//
//   export async function mount(root, ctx) → a function that takes the page down again
//
// root is an empty element inside <main>. ctx has
//
//   params    the parts of the path, decoded: {exchange, symbol, timeframe} or {id}; those that the path leaves out are missing
//   query     URLSearchParams of the page's own address
//   path      the path without query
//   signal    an AbortSignal that ends when the page goes; hand it to api, live and addEventListener
//   navigate  navigate(path, {replace, silent}): go to a page. silent changes the address only and mounts nothing:
//             for a choice within a page, such as a timeframe
//   title     title(text): what the tab and screen readers call the page; without it the route's own title
//   api       api.get(path, {query, signal}), api.post(path, body, {signal}), api.stream(path, {query, signal, on, state, last})
//             see api.js; a failure is an ApiError whose message is the server's own sentence
//   live      live.collectors (Map by id), live.trouble (why they cannot be had, or null), live.system (object or null), live.state,
//             live.now() (the server's clock, ms), live.stored (differs when something may have been stored),
//             live.on('collectors' | 'system' | 'state', fn, signal)
//   t, lang   t(KEY, {name: value}) gives a sentence in the reader's language; lang is es or en
//   format    numbers, bytes, durations, instants, decimals as strings: format.js
//   theme     theme.dark (boolean), theme.color('--up') → a CSS colour, theme.on(fn, signal)
//   announce  announce(text): said by screen readers
//   toast     toast(text, {kind, link, label}): a notice that goes by itself
//
// mount draws its <h1> first and may then wait for data: the focus goes to the h1 after a navigation.
// It throws what it cannot handle, and the router shows it with a button to try again. A change of the
// language mounts the page anew; a change of the theme does not (theme.on).

export const routes = [
  { path: '/', page: 'collectors', nav: 'collectors' },
  { path: '/collectors', page: 'collectors', nav: 'collectors' },
  { path: '/collectors/{id}', page: 'collector', nav: 'collectors' },
  { path: '/market', page: 'market', nav: 'market' },
  { path: '/market/{exchange}/{symbol}/{timeframe}', page: 'market', nav: 'market' },
  { path: '/completeness', page: 'completeness', nav: 'completeness' },
  { path: '/completeness/{exchange}/{symbol}/{timeframe}', page: 'completeness', nav: 'completeness' },
  { path: '/system', page: 'system', nav: 'system' },
  { path: '/data', page: 'data', nav: 'data' },
]

/** match finds the route of a path, and the parts of it. */
export function match(path, table = routes) {
  const parts = path.replace(/\/+$/, '').split('/')
  for (const route of table) {
    const wanted = route.path.replace(/\/+$/, '').split('/')
    if (wanted.length !== parts.length) continue
    const params = {}
    const fits = wanted.every((part, i) => {
      if (!part.startsWith('{')) return part === parts[i]
      try {
        params[part.slice(1, -1)] = decodeURIComponent(parts[i])
      } catch {
        return false // no text in UTF-8
      }
      return parts[i] !== ''
    })
    if (fits) return { ...route, params }
  }
  return null
}

/** reloaded notes that the page has loaded itself anew, or that it need not; false where it has before, or cannot note it. */
function reloaded(now) {
  try {
    if (!now) {
      sessionStorage.removeItem('velador.reloaded')
      return true
    }
    if (sessionStorage.getItem('velador.reloaded')) return false
    sessionStorage.setItem('velador.reloaded', '1')
    return true
  } catch {
    return false // storage is switched off
  }
}

/**
 * Router shows the page of the address in an element, one at a time. `context(route, signal)` gives
 * what pages share, `failed(root, error, again)` shows a failure, `arrived(route, first)` is told
 * when a page stands, `lost(root)` when no page has the address.
 */
export class Router {
  #root
  #hooks
  #current = null // {abort, unmount}
  #turn = 0
  #shown = '' // the address of the page that stands

  constructor(root, hooks) {
    this.#root = root
    this.#hooks = hooks
    addEventListener('popstate', () => {
      if (location.pathname + location.search !== this.#shown) this.show() // else it was a step within the page: #main
    })
    document.addEventListener('click', (event) => this.#clicked(event))
  }

  #clicked(event) {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const link = event.target.closest?.('a[href]')
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return
    if (link.hash && link.pathname === location.pathname) return
    if (!match(link.pathname, this.#hooks.routes)) return
    event.preventDefault()
    this.navigate(link.pathname + link.search)
  }

  navigate(to, { replace = false, silent = false } = {}) {
    const here = location.pathname + location.search
    if (to !== here) history[replace ? 'replaceState' : 'pushState'](null, '', to)
    this.#shown = to
    return silent ? undefined : this.show()
  }

  async show({ first = false, keepFocus = false } = {}) {
    const turn = ++this.#turn
    this.#shown = location.pathname + location.search
    this.#leave()
    const route = match(location.pathname, this.#hooks.routes)
    const root = document.createElement('div')
    root.className = 'page'
    this.#root.replaceChildren(root)
    if (!first) scrollTo(0, 0)
    if (!route) {
      this.#hooks.lost(root)
      return
    }
    root.dataset.page = route.page
    const abort = new AbortController()
    const current = { abort, unmount: null }
    this.#current = current
    try {
      this.#hooks.leaving?.(route)
      const module = await this.#load(route.page)
      if (turn !== this.#turn) return
      const mounted = module.mount(root, this.#hooks.context(route, abort.signal))
      if (turn === this.#turn) this.#hooks.arrived(route, first || keepFocus)
      const unmount = await mounted
      if (turn === this.#turn) current.unmount = unmount
      else unmount?.()
    } catch (error) {
      if (turn !== this.#turn || abort.signal.aborted) return
      console.error(error)
      this.#hooks.failed(root, error, () => this.show())
    }
  }

  async #load(page) {
    try {
      const module = await import(`./pages/${page}.js`)
      reloaded(false)
      return module
    } catch (error) {
      // A server of another version does not have this one's modules: the page loads itself anew, once.
      if (navigator.onLine && error instanceof TypeError && reloaded(true)) {
        location.reload()
        await new Promise(() => {})
      }
      throw error
    }
  }

  #leave() {
    const current = this.#current
    this.#current = null
    current?.abort.abort()
    try {
      current?.unmount?.()
    } catch (error) {
      console.error(error) // the next page is shown all the same
    }
  }
}
