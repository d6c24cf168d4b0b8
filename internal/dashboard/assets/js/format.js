// Numbers, sizes, times. Instants are in UTC, as are candles, days and logs: one clock for all pages.

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour
const none = '–'
const thin = '\u202F' // between a number and its unit

export class Format {
  #dictionary
  #cache = new Map()

  constructor(dictionary) {
    this.#dictionary = dictionary
  }

  get #lang() {
    return this.#dictionary.lang
  }

  #intl(kind, options) {
    const key = `${this.#lang} ${kind} ${JSON.stringify(options)}`
    let made = this.#cache.get(key)
    if (!made) {
      made = kind === 'number' ? new Intl.NumberFormat(this.#lang, options) : new Intl.DateTimeFormat(this.#lang, { timeZone: 'UTC', ...options })
      this.#cache.set(key, made)
    }
    return made
  }

  /** number writes 1,234.5 with so many decimals at most. */
  number(value, digits = 0) {
    if (value == null || !Number.isFinite(Number(value))) return none
    return this.#intl('number', { maximumFractionDigits: digits, useGrouping: 'always' }).format(value)
  }

  /** fixed writes exactly so many decimals, so that columns do not tremble. */
  fixed(value, digits) {
    if (value == null || !Number.isFinite(Number(value))) return none
    return this.#intl('number', { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: 'always' }).format(value)
  }

  /** short writes 12.3k. */
  short(value) {
    if (value == null || !Number.isFinite(Number(value))) return none
    return this.#intl('number', { notation: 'compact', maximumFractionDigits: 1 }).format(value)
  }

  percent(value, digits = 0) {
    return value == null ? none : `${this.fixed(value, digits)}${thin}%`
  }

  /** decimal groups the digits of a decimal that came as text, without ever making it a float. Of its last zeros those go that are not among the `least` first decimals. */
  decimal(text, { trim = true, least = 0 } = {}) {
    if (text == null || text === '') return none
    const found = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text)
    if (!found) return text
    const [, sign, whole] = found
    const fraction = trim ? (found[3] ?? '').replace(/0+$/, '').padEnd(least, '0') : (found[3] ?? '')
    const grouped = this.#intl('number', { useGrouping: 'always' }).format(BigInt(whole))
    const point = this.#intl('number', { minimumFractionDigits: 1 }).formatToParts(0.5).find((part) => part.type === 'decimal').value
    return sign + grouped + (fraction ? point + fraction : '')
  }

  bytes(value) {
    if (value == null || !Number.isFinite(Number(value))) return none
    const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
    let n = Number(value)
    let unit = 0
    while (n >= 1024 && unit < units.length - 1) {
      n /= 1024
      unit++
    }
    return `${this.fixed(n, unit === 0 || n >= 100 ? 0 : 1)}${thin}${units[unit]}`
  }

  /** duration writes a span in ms with its two largest units: 3 d 4 h, 12 m 05 s, 8 s, 340 ms. */
  duration(ms) {
    if (ms == null || !Number.isFinite(Number(ms))) return none
    const n = Math.max(0, Number(ms))
    const two = (x) => String(Math.floor(x)).padStart(2, '0')
    if (n >= day) return `${this.number(Math.floor(n / day))}${thin}d ${two((n % day) / hour)}${thin}h`
    if (n >= hour) return `${Math.floor(n / hour)}${thin}h ${two((n % hour) / minute)}${thin}m`
    if (n >= minute) return `${Math.floor(n / minute)}${thin}m ${two((n % minute) / second)}${thin}s`
    if (n >= second) return `${Math.floor(n / second)}${thin}s`
    return `${Math.round(n)}${thin}ms`
  }

  /** lag writes a short span given in seconds with a fitting unit: 38 ms, 1.42 s, 3 m 10 s. */
  lag(seconds) {
    if (seconds == null || !Number.isFinite(Number(seconds))) return none
    if (seconds < 1) return `${Math.round(seconds * 1000)}${thin}ms`
    if (seconds < 60) return `${this.fixed(seconds, seconds < 10 ? 2 : 1)}${thin}s`
    return this.duration(seconds * 1000)
  }

  /** ms reads an instant: epoch milliseconds, a text in RFC 3339, or a Date. null where there is none. */
  ms(at) {
    if (at == null || at === '') return null
    const ms = typeof at === 'number' ? at : at instanceof Date ? at.getTime() : Date.parse(at)
    return Number.isFinite(ms) ? ms : null
  }

  #date(at, options) {
    const ms = this.ms(at)
    return ms === null ? none : this.#intl('date', options).format(ms)
  }

  /** instant writes 2025-11-04 10:30:00. */
  instant(at) {
    const ms = this.ms(at)
    return ms === null ? none : new Date(ms).toISOString().slice(0, 19).replace('T', ' ')
  }

  /** minute writes 2025-11-04 10:30. */
  minute(at) {
    const ms = this.ms(at)
    return ms === null ? none : new Date(ms).toISOString().slice(0, 16).replace('T', ' ')
  }

  /** time writes 10:30:00. */
  time(at) {
    const ms = this.ms(at)
    return ms === null ? none : new Date(ms).toISOString().slice(11, 19)
  }

  /** day writes 4 Nov 2025. */
  day(at) {
    return this.#date(at, { day: 'numeric', month: 'short', year: 'numeric' })
  }

  month(at, options = { month: 'short' }) {
    return this.#date(at, options)
  }

  weekday(at, options = { weekday: 'short' }) {
    return this.#date(at, options)
  }

  /** ago writes a span in ms as “12 s ago”. */
  ago(ms) {
    return ms == null ? none : ms < second ? this.#dictionary.t('time.now') : this.#dictionary.t('time.ago', { span: this.duration(ms) })
  }
}

/** timeframes are those that a collector may have, shortest first, with their length in ms (a month's is 30 days). */
export const timeframes = new Map([
  ['1s', second], ['1m', minute], ['3m', 3 * minute], ['5m', 5 * minute], ['15m', 15 * minute], ['30m', 30 * minute],
  ['1h', hour], ['2h', 2 * hour], ['4h', 4 * hour], ['6h', 6 * hour], ['8h', 8 * hour], ['12h', 12 * hour],
  ['1d', day], ['3d', 3 * day], ['1w', 7 * day], ['1M', 30 * day],
])
