// Sentences in the reader's language. They stand in i18n/es.json and i18n/en.json, both with the same
// keys; {name} in them is a parameter. With a parameter n the key may be split into key.one and
// key.other, of which the language's own rule chooses one.

export const languages = { es: 'Español', en: 'English' }

export class Dictionary {
  lang = document.documentElement.lang === 'es' ? 'es' : 'en'
  #words = {}
  #plural

  constructor() {
    this.t = this.t.bind(this)
  }

  async load(lang = this.lang) {
    const response = await fetch(new URL(`../i18n/${lang}.json`, import.meta.url))
    if (!response.ok) throw new Error(`i18n/${lang}.json: ${response.status}`)
    this.#words = await response.json()
    this.#plural = new Intl.PluralRules(lang)
    this.lang = lang
    document.documentElement.lang = lang
  }

  has(key) {
    return key in this.#words
  }

  t(key, params = {}) {
    const words = this.#words[key] ?? (params.n === undefined ? undefined : this.#words[`${key}.${this.#plural.select(Number(params.count ?? params.n))}`] ?? this.#words[`${key}.other`])
    if (words === undefined) return key
    return words.replace(/\{(\w+)\}/g, (whole, name) => params[name] ?? whole)
  }

  /** fill writes the words of elements that name theirs: data-t, data-t-label, data-t-title. */
  fill(root) {
    for (const el of root.querySelectorAll('[data-t]')) el.textContent = this.t(el.dataset.t)
    for (const el of root.querySelectorAll('[data-t-label]')) el.setAttribute('aria-label', this.t(el.dataset.tLabel))
  }
}

/** remember keeps a choice where the browser allows it. */
export function remember(name, value) {
  try {
    if (value === null) localStorage.removeItem(`velador.${name}`)
    else localStorage.setItem(`velador.${name}`, value)
  } catch {
    // storage is switched off: the choice holds until the page is closed
  }
}

export function recall(name) {
  try {
    return localStorage.getItem(`velador.${name}`)
  } catch {
    return null
  }
}
