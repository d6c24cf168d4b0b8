// A stretch of a series that is held in memory: its candles as the server gave them, every digit, and
// what the chart draws of them. It is bounded: who pans far loses the other end.
import { timeframes } from '../format.js'

const page = 1000 // candles of one question
export const most = 20_000 // candles that are held
const mostBlank = 1500 // steps of a gap that are drawn; a longer one is drawn shortened

/** next is the open time that follows. */
export function next(open, timeframe) {
  if (timeframe !== '1M') return open + timeframes.get(timeframe)
  const at = new Date(open)
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 1)
}

/** Stretch holds candles of one series, oldest first, without doubles. */
export class Stretch {
  candles = []
  atStart = false // nothing older is stored
  atEnd = true // the newest stored one is held
  #api
  #series
  #signal
  #turn = 0 // grows when another stretch is wanted, and when it is there: an answer to what was asked before is stale
  #asking = 0 // questions for another stretch that are under way
  #came = [] // candles that were stored meanwhile: an answer may have been made before them

  constructor(api, series, signal) {
    this.#api = api
    this.#series = series
    this.#signal = signal
  }

  async #ask(query) {
    const answer = await this.#api.get('/api/candles', { query: { ...this.#series, limit: page, ...query }, signal: this.#signal })
    return answer.candles
  }

  /** turn tells whether another stretch was wanted, or came, since a question was put. */
  get turn() {
    return this.#turn
  }

  /** newest loads the end of the series. As around, it tells whether that is what is held now. */
  newest() {
    return this.#replace(async () => {
      const rows = (await this.#ask({ order: 'desc' })).reverse()
      return { candles: rows, atStart: rows.length < page, atEnd: true }
    })
  }

  /** around loads what lies before and after an instant. */
  around(at) {
    return this.#replace(async () => {
      const [before, after] = await Promise.all([this.#ask({ order: 'desc', to: at - 1 }), this.#ask({ from: at })])
      return { candles: [...before.reverse(), ...after], atStart: before.length < page, atEnd: after.length < page }
    })
  }

  /** stay keeps what is held: an answer that is under way is for nobody any more. */
  stay() {
    this.#turn++
  }

  /** #replace takes another stretch, if none was wanted after it. */
  async #replace(ask) {
    const turn = ++this.#turn
    this.#asking++
    try {
      const found = await ask()
      if (turn !== this.#turn) return false
      this.#turn++
      Object.assign(this, found)
      for (const candle of this.#came) this.#place(candle)
      return true
    } catch (error) {
      if (turn !== this.#turn) return false // nobody waits for it
      throw error
    } finally {
      if (--this.#asking === 0) this.#came = []
    }
  }

  /** older loads a page before the oldest; the newest ones go where there are too many. It tells whether some came. */
  async older() {
    if (this.atStart || this.candles.length === 0) return false
    const [turn, oldest] = [this.#turn, this.candles[0].openTime]
    const rows = (await this.#ask({ order: 'desc', to: oldest - 1 })).reverse()
    if (turn !== this.#turn || this.candles[0].openTime !== oldest) return false
    this.atStart = rows.length < page
    this.candles = [...rows, ...this.candles]
    if (this.candles.length > most) {
      this.candles.length = most
      this.atEnd = false
    }
    return rows.length > 0
  }

  /** newer loads a page behind the newest that is held. */
  async newer() {
    if (this.atEnd || this.candles.length === 0) return false
    const turn = this.#turn
    this.#asking++
    try {
      const rows = await this.#ask({ from: this.candles.at(-1).openTime + 1 })
      if (turn !== this.#turn) return false
      this.atEnd = rows.length < page
      this.candles = [...this.candles, ...rows]
      for (const candle of this.#came) this.#place(candle)
      this.#trim()
      return rows.length > 0
    } finally {
      if (--this.#asking === 0) this.#came = []
    }
  }

  /** between asks for what a stretch of time has, where something may have been missed. It tells whether it has any. */
  async between(from, to) {
    const turn = this.#turn
    const rows = await this.#ask({ from, to })
    if (turn !== this.#turn) return false
    for (const candle of rows) this.#place(candle)
    return rows.length > 0
  }

  #trim() {
    if (this.candles.length > most) {
      this.candles = this.candles.slice(-most)
      this.atStart = false
    }
  }

  /** put takes a candle that was stored just now; it tells where it went: 'end', 'inside', or '' where it is not held. */
  put(candle) {
    if (this.#asking > 0) this.#came.push(candle)
    return this.#place(candle)
  }

  #place(candle) {
    const last = this.candles.at(-1)
    if (!last || candle.openTime > last.openTime) {
      if (!this.atEnd) return ''
      this.candles.push(candle)
      if (this.candles.length > most + page) {
        this.candles = this.candles.slice(-most)
        this.atStart = false
        return 'inside'
      }
      return 'end'
    }
    if (candle.openTime < this.candles[0].openTime) return ''
    const at = this.find(candle.openTime)
    if (this.candles[at]?.openTime === candle.openTime) this.candles[at] = candle
    else this.candles.splice(at, 0, candle)
    return 'inside'
  }

  /** find gives the index of the first candle that opened then or later. */
  find(open) {
    let [low, high] = [0, this.candles.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.candles[middle].openTime < open) low = middle + 1
      else high = middle
    }
    return low
  }
}

const seconds = (ms) => Math.floor(ms / 1000)

export const bar = (c) => ({ time: seconds(c.openTime), open: Number(c.open), high: Number(c.high), low: Number(c.low), close: Number(c.close) })
export const volumeOf = (c, colors) => ({ time: seconds(c.openTime), value: Number(c.volume ?? 0), color: Number(c.close) >= Number(c.open) ? colors.up : colors.down })

/**
 * points is what a chart draws: bars, volumes, and where candles are missing blanks, so that the axis
 * of time stays true. blanks lists those: {time (s), open (ms)}, each of which the caller may shade.
 */
export function points(candles, timeframe, colors) {
  const [bars, volumes, blanks] = [[], [], []]
  let last = -Infinity
  for (const [i, c] of candles.entries()) {
    const time = seconds(c.openTime)
    if (time <= last) continue // two within a second, off the grid: the first is drawn
    if (i > 0) {
      let open = next(candles[i - 1].openTime, timeframe)
      for (let n = 0; n < mostBlank && next(open, timeframe) <= c.openTime; n++) {
        const at = seconds(open)
        if (at > last) {
          bars.push({ time: at })
          blanks.push({ time: at, open })
          last = at
        }
        open = next(open, timeframe)
      }
    }
    bars.push(bar(c))
    volumes.push(volumeOf(c, colors))
    last = time
  }
  return { bars, volumes, blanks }
}

/** digits is how many decimals the prices have that are drawn. */
export function digits(candles) {
  let n = 0
  for (const c of candles.slice(-200)) {
    for (const text of [c.open, c.high, c.low, c.close]) {
      const fraction = /\.(\d*?)0*$/.exec(text)
      n = Math.max(n, fraction ? fraction[1].length : 0)
    }
  }
  return Math.min(n, 10)
}
