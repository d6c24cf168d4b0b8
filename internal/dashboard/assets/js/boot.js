// Runs before the first paint, so that neither the theme nor the language flickers. It is a file of
// its own, and no module, because the page's policy allows no script inside the page.
(() => {
  const root = document.documentElement
  const kept = (name) => {
    try {
      return localStorage.getItem(`velador.${name}`)
    } catch {
      return null // storage is switched off
    }
  }
  const mode = kept('theme')
  root.dataset.mode = mode === 'light' || mode === 'dark' ? mode : 'auto'
  const night = matchMedia('(prefers-color-scheme: dark)')
  const paint = () => {
    root.dataset.theme = root.dataset.mode !== 'auto' ? root.dataset.mode : night.matches ? 'dark' : 'light'
  }
  paint()
  night.addEventListener('change', paint) // the door has no other script
  if (root.dataset.only === undefined) return // the door's sentences are the server's choice, and so is its language
  const spoken = kept('language') ?? navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag === 'es' || tag === 'en')
  root.lang = spoken === 'es' || spoken === 'en' ? spoken : 'en'
})()
