// The frame around the pages: navigation, theme, language, the state of the connection.
import { Api, retryNow } from './api.js'
import { h, set, text } from './dom.js'
import { Format } from './format.js'
import { Dictionary, languages, remember } from './i18n.js'
import { icon } from './icons.js'
import { Live } from './live.js'
import { Router, routes } from './router.js'
import { Theme, themes } from './theme.js'
import { toaster } from './toast.js'

const find = (id) => document.getElementById(id)
const only = document.documentElement.dataset.only // the studio shows one page and has no live events
const sections = ['collectors', 'market', 'completeness', 'data', 'system']
const addresses = { collectors: '/', market: '/market', completeness: '/completeness', data: '/data', system: '/system' }

const dictionary = new Dictionary()
const { t } = dictionary
const api = new Api(dictionary)
const live = new Live(api)
const format = new Format(dictionary)
const theme = new Theme()
const toast = toaster(find('toasts'), t)
const main = find('main')

let said = 0
function announce(words) {
  clearTimeout(said)
  find('announcer').textContent = ''
  said = setTimeout(() => text(find('announcer'), words), 50) // an emptied region says the same words again
}

let heading = ''
function title(words) {
  heading = words
  document.title = `${words} · velador`
}

const router = new Router(main, {
  routes: only ? [{ path: '/', page: only, nav: only }, { path: `/${only}`, page: only, nav: only }] : routes,
  context: (route, signal) => ({
    params: route.params,
    query: new URLSearchParams(location.search),
    path: location.pathname,
    signal,
    navigate: (to, options) => router.navigate(to, options),
    title,
    api,
    live,
    t,
    lang: dictionary.lang,
    format,
    theme,
    announce,
    toast,
  }),
  leaving(route) {
    title(t(`nav.${route.nav}`))
    for (const link of find('nav').querySelectorAll('a')) {
      if (link.dataset.nav === route.nav) link.setAttribute('aria-current', 'page')
      else link.removeAttribute('aria-current')
    }
  },
  arrived(_, quiet) {
    if (quiet) return
    const h1 = main.querySelector('h1')
    if (h1) {
      h1.tabIndex = -1
      h1.focus({ preventScroll: true })
    } else main.focus({ preventScroll: true })
    announce(heading)
  },
  failed(root, error, again) {
    root.append(h('section', { class: 'empty', role: 'alert' },
      icon('alert'), h('h1', null, t('error.page')), h('p', null, error.message),
      h('button', { class: 'button primary', type: 'button', onclick: again }, t('error.again'))))
  },
  lost(root) {
    title(t('error.lost'))
    root.append(h('section', { class: 'empty' }, icon('search'), h('h1', null, t('error.lost')), h('p', null, t('error.lostText')), h('a', { class: 'button primary', href: '/' }, t('nav.collectors'))))
  },
})

function drawShell() {
  dictionary.fill(document)
  find('nav').replaceChildren(...sections.filter((name) => !only || name === only).map((name) =>
    h('li', null, h('a', { href: only ? '/' : addresses[name], data: { nav: name } }, icon(name), h('span', null, t(`nav.${name}`))))))
  drawTheme()
  const leave = t('shell.leave')
  find('leave').firstElementChild.replaceChildren(icon('leave'))
  set(find('leave').firstElementChild, { 'aria-label': leave, title: leave })
  const other = dictionary.lang === 'es' ? 'en' : 'es'
  const button = find('language')
  button.replaceChildren(h('span', { 'aria-hidden': 'true' }, dictionary.lang.toUpperCase()))
  const words = t('shell.language', { language: languages[other] })
  set(button, { 'aria-label': `${dictionary.lang.toUpperCase()}: ${words}`, title: words })
  find('reference').hidden = Boolean(only) // the studio answers no /docs
  drawLink()
}

function drawTheme() {
  const mode = theme.mode
  const words = t('shell.theme', { mode: t(`shell.theme.${mode}`) })
  find('theme').replaceChildren(icon({ auto: 'auto', light: 'sun', dark: 'moon' }[mode]))
  set(find('theme'), { 'aria-label': words, title: words })
}

// A connection that is taken up again within a moment is no news.
let bannerTimer = 0
let cut = false // the banner says that there is no connection
function drawLink() {
  const state = only ? 'none' : live.state
  const shown = state === 'idle' || state === 'paused' ? 'connecting' : state === 'live' && live.trouble ? 'trouble' : state
  const el = find('link-state')
  el.hidden = state === 'none'
  el.dataset.state = shown
  find('leave').hidden = !live.session?.signedIn
  const words = t(`link.${shown === 'none' ? 'live' : shown}`)
  text(el.lastElementChild, live.readOnly ? `${words} · ${t('link.readOnly')}` : words)
}

function drawBanner({ state, error }) {
  drawLink()
  const banner = find('banner')
  if (state === 'live' || state === 'paused') {
    clearTimeout(bannerTimer)
    bannerTimer = 0
    if (live.trouble) {
      // The server is there and tries by itself; what it cannot get, it says in its own words.
      banner.replaceChildren(icon('alert'), h('p', null, h('strong', null, t('link.troubled')), ' ', t('link.old'), ' ', live.trouble.error))
      banner.hidden = false
      cut = false
      return
    }
    if (cut && state === 'live') announce(t('link.back'))
    cut = false
    banner.hidden = true
    banner.replaceChildren()
    return
  }
  if (state === 'connecting' || bannerTimer !== 0) return
  bannerTimer = setTimeout(() => {
    banner.replaceChildren(icon('alert'),
      h('p', null, h('strong', null, t(live.state === 'refused' ? 'link.refused' : 'link.gone')), ' ', live.state === 'refused' ? error?.message : `${t('link.old')} ${t('link.again')}`),
      h('button', { class: 'button small', type: 'button', onclick: () => (live.state === 'refused' ? live.start() : retryNow()) }, t('error.again')))
    banner.hidden = false
    cut = true
  }, state === 'refused' ? 0 : 1200)
}

find('theme').addEventListener('click', () => {
  theme.set(themes[(themes.indexOf(theme.mode) + 1) % themes.length])
  announce(find('theme').getAttribute('aria-label'))
})
find('language').addEventListener('click', async () => {
  await dictionary.load(dictionary.lang === 'es' ? 'en' : 'es')
  remember('language', dictionary.lang)
  drawShell()
  if (!only) live.start() // its sentences come in the new language
  await router.show({ keepFocus: true })
  announce(languages[dictionary.lang])
})
theme.on(drawTheme)
live.on('state', drawBanner)
live.on('collectors', drawLink)
live.on('system', (system) => {
  drawLink()
  text(find('version'), system.version ? `velador ${system.version}` : '')
})

try {
  await dictionary.load()
  drawShell()
  if (!only) live.start()
  await router.show({ first: true })
} catch (error) {
  // Without sentences there is no page; these are the only ones that stand in code.
  main.textContent = 'velador cannot be reached: load this page again. / No se puede contactar con velador: vuelve a cargar esta página.'
  throw error
}
