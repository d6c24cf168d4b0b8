// Notices that go by themselves. They stand in a live region, so they are said as well as shown.
import { h } from './dom.js'
import { icon } from './icons.js'

const shownFor = 7000 // ms
const most = 4

export function toaster(region, t) {
  return (text, { kind = 'good', link = '', label = '' } = {}) => {
    let timer = 0
    const gone = () => {
      clearTimeout(timer)
      el.remove()
    }
    const el = h('div', { class: 'toast', data: { kind } },
      icon(kind === 'bad' ? 'alert' : 'check'),
      h('p', null, text, link && [' ', h('a', { href: link, onclick: gone }, label)]),
      h('button', { class: 'icon-button small', type: 'button', 'aria-label': t('dialog.close'), onclick: gone }, icon('close')))
    const wait = () => {
      clearTimeout(timer)
      timer = setTimeout(gone, kind === 'bad' ? shownFor * 2 : shownFor)
    }
    el.addEventListener('pointerenter', () => clearTimeout(timer))
    el.addEventListener('pointerleave', wait)
    el.addEventListener('focusin', () => clearTimeout(timer))
    el.addEventListener('focusout', wait)
    region.append(el)
    while (region.childElementCount > most) region.firstElementChild.remove()
    wait()
  }
}
