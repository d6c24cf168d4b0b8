// Dialogs are <dialog> elements: the browser keeps the focus inside and gives it back.
import { h, uid } from './dom.js'
import { icon } from './icons.js'

/**
 * open shows a dialog and returns it; closing removes it. content is nodes; a form in it that has
 * method=dialog closes it. closed() is told when it has gone.
 */
export function open({ title, content, t, wide = false, closed = () => {}, signal }) {
  const id = uid('dialog')
  const dialog = h('dialog', { class: wide ? 'dialog wide' : 'dialog', 'aria-labelledby': id },
    h('div', { class: 'dialog-head' },
      h('h2', { id }, title),
      h('button', { class: 'icon-button', type: 'button', 'aria-label': t('dialog.close'), onclick: () => dialog.close() }, icon('close'))),
    content)
  dialog.addEventListener('close', () => {
    dialog.remove()
    closed()
  })
  // Outside of its box the click meets the dialog itself: that is the backdrop.
  let pressedOutside = false
  dialog.addEventListener('pointerdown', (event) => (pressedOutside = event.target === dialog))
  dialog.addEventListener('click', (event) => event.target === dialog && pressedOutside && !dialog.hasAttribute('data-busy') && dialog.close())
  dialog.addEventListener('cancel', (event) => dialog.hasAttribute('data-busy') && event.preventDefault())
  signal?.addEventListener('abort', () => dialog.close(), { once: true })
  document.body.append(dialog)
  dialog.showModal()
  return dialog
}

/**
 * confirm asks before something is done, does it while the dialog waits, and shows in the server's
 * words what went wrong. It answers what act() gave, or null where the reader thought better of it.
 */
export function confirm({ title, text, points = [], action, danger = false, act, t, signal }) {
  return new Promise((resolve) => {
    let result = null
    const alert = h('p', { class: 'form-error', role: 'alert', hidden: true })
    const cancel = h('button', { class: 'button', type: 'button', autofocus: danger, onclick: () => dialog.close() }, t('dialog.cancel'))
    const go = h('button', { class: danger ? 'button danger' : 'button primary', type: 'button', autofocus: !danger }, action)
    const dialog = open({
      title, t, signal, closed: () => resolve(result),
      content: [
        h('div', { class: 'dialog-body' }, h('p', null, text), points.length > 0 && h('ul', { class: 'points' }, points.map((point) => h('li', null, point))), alert),
        h('footer', { class: 'dialog-foot' }, cancel, go),
      ],
    })
    go.addEventListener('click', async () => {
      alert.hidden = true
      busy(dialog, go, true)
      try {
        result = await act()
        dialog.close()
      } catch (error) {
        alert.textContent = error.message
        alert.hidden = false
      } finally {
        busy(dialog, go, false)
      }
    })
  })
}

/** busy shows that a dialog waits for the server, and keeps it open meanwhile. */
export function busy(dialog, button, on) {
  dialog.toggleAttribute('data-busy', on)
  button.toggleAttribute('data-busy', on)
  button.disabled = on
}
