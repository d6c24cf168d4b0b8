// What a collector's phase means for a reader: how it looks, and how much it asks for attention.

/** tones are those of badges, by phase. */
export const tones = { live: 'good', starting: 'info', backfilling: 'info', stale: 'warn', backoff: 'bad', stopping: 'calm', stopped: 'calm' }

/** urgency sorts by state: what needs a look comes first. */
export const urgency = { backoff: 0, stale: 1, starting: 2, backfilling: 3, stopping: 4, live: 5, stopped: 6 }

export const phaseOf = (entry) => (entry.phase in tones ? entry.phase : 'stopped')

/** groupOf is one of the three that the list can be narrowed to. */
export function groupOf(entry) {
  const phase = phaseOf(entry)
  if (phase === 'stale' || phase === 'backoff' || entry.status === 'error') return 'attention'
  return phase === 'live' ? 'live' : 'working'
}

/** marketOf gives the page of a collector's chart where it follows symbols that it names; null for a pattern. */
export function marketOf(entry, page = 'market') {
  const first = entry.symbol.split(',')[0]
  if (/[*?[\]]/.test(first)) return null
  return `/${page}/${encodeURIComponent(entry.exchange)}/${encodeURIComponent(first)}/${entry.timeframe}`
}

/** follows tells that a series is one of a collector's. */
export function follows(entry, series) {
  if (series.exchange !== entry.exchange || series.timeframe !== entry.timeframe) return false
  return entry.symbol.split(',').some((pattern) => glob(pattern.trim()).test(series.symbol))
}

const globs = new Map()
function glob(pattern) {
  let made = globs.get(pattern)
  if (!made) {
    made = new RegExp(`^${pattern.replace(/[.+^${}()|\\]/g, '\\$&').replace(/\*/g, '.*').replace(/\?/g, '.')}$`)
    globs.set(pattern, made)
  }
  return made
}

/** ageOf is how old a collector's newest candle is now, in ms: what it said, and the time since. */
export function ageOf(entry) {
  return entry.lastCandle ? entry.lastCandle.ageSeconds * 1000 + (performance.now() - entry.received) : null
}

/** uptimeOf is how long its process has run, in ms; null while it has none. */
export function uptimeOf(entry, now) {
  const phase = phaseOf(entry)
  if (entry.pid === 0 || phase === 'backoff' || phase === 'stopped') return null
  return Math.max(0, now - Date.parse(entry.startedAt))
}

/** noteOf says in words why a collector is not simply live: its next attempt, how the life before ended. */
export function noteOf(entry, { t, format, live }) {
  const parts = []
  if (entry.nextAttempt) {
    const wait = Date.parse(entry.nextAttempt) - live.now()
    parts.push(wait > 500 ? t('collectors.nextAttempt', { span: format.duration(wait) }) : t('collectors.nextAttemptNow'))
  }
  if (entry.lastExit && (groupOf(entry) !== 'live' || live.now() - Date.parse(entry.lastExit.at) < 10 * 60_000)) {
    const why = entry.lastExit.reason ? `${entry.lastExit.text}: ${entry.lastExit.reason}` : entry.lastExit.text
    parts.push(t('collectors.lastExit', { at: format.time(entry.lastExit.at), why }))
  }
  if (entry.lastError && groupOf(entry) !== 'live' && !entry.lastError.includes(entry.lastExit?.reason || entry.lastExit?.text)) parts.push(entry.lastError)
  if (phaseOf(entry) === 'stale' && parts.length === 0) parts.push(t('collectors.staleNote'))
  return parts.join(' · ')
}
