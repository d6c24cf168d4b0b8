// Light and dark: the system's choice, or the reader's own. boot.js has set both attributes before the
// first paint: data-mode is what was chosen, data-theme what it comes to.
import { remember } from './i18n.js'

export const themes = ['auto', 'light', 'dark']

const root = document.documentElement

export class Theme {
  #system = matchMedia('(prefers-color-scheme: dark)')
  #listeners = new Set()

  constructor() {
    this.#system.addEventListener('change', () => this.mode === 'auto' && this.set('auto'))
    this.#paint()
  }

  get mode() {
    return root.dataset.mode
  }

  get dark() {
    return root.dataset.theme === 'dark'
  }

  set(mode) {
    remember('theme', mode === 'auto' ? null : mode)
    root.dataset.mode = mode
    root.dataset.theme = mode !== 'auto' ? mode : this.#system.matches ? 'dark' : 'light'
    this.#paint()
    for (const fn of this.#listeners) fn(this)
  }

  /** color resolves a custom property such as --up, for canvases, which know no properties. */
  color(name) {
    return getComputedStyle(root).getPropertyValue(name).trim()
  }

  on(fn, signal) {
    this.#listeners.add(fn)
    const off = () => this.#listeners.delete(fn)
    signal?.addEventListener('abort', off, { once: true })
    return off
  }

  /** The browser's own bar takes the colour of the page. */
  #paint() {
    for (const meta of document.querySelectorAll('meta[name=theme-color]')) meta.content = this.color('--bg')
  }
}
