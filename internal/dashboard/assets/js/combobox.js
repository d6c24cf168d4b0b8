// A text field that completes: the combobox pattern of the ARIA Authoring Practices, with a list below.
// The text may be a list parted by commas; the part where the cursor stands is completed.
import { attr, h, uid } from './dom.js'

const patience = 120 // ms after the last key until the server is asked

/**
 * combobox makes the field. ask(words, signal) gives {options, total}; said(text) announces.
 * Returns {el, input, settle}: settle() puts in the proper case what was typed in another.
 */
export function combobox({ id, ask, said, describedby, t, changed = () => {}, signal }) {
  const listId = uid('options')
  const input = h('input', {
    class: 'input mono', id, type: 'text', role: 'combobox', autocomplete: 'off', autocapitalize: 'characters', autocorrect: 'off', spellcheck: 'false', required: true,
    'aria-expanded': 'false', 'aria-controls': listId, 'aria-autocomplete': 'list', 'aria-describedby': describedby, placeholder: 'ETHUSDT',
  })
  const list = h('ul', { class: 'options', id: listId, role: 'listbox', 'aria-label': t('start.options'), hidden: true })
  const el = h('div', { class: 'combobox' }, input, list)
  const known = new Map() // a symbol in capitals, and its own case
  let active = -1
  let timer = 0
  let asking = null

  const part = () => {
    const at = input.selectionStart ?? input.value.length
    const begin = input.value.lastIndexOf(',', at - 1) + 1
    const comma = input.value.indexOf(',', at)
    const end = comma < 0 ? input.value.length : comma
    return { begin, end, words: input.value.slice(begin, end).trim() }
  }
  const close = () => {
    clearTimeout(timer)
    asking?.abort()
    list.hidden = true
    active = -1
    attr(input, 'aria-expanded', 'false')
    attr(input, 'aria-activedescendant', null)
  }
  const point = (index) => {
    active = index
    for (const [i, option] of [...list.children].entries()) attr(option, 'aria-selected', String(i === index))
    attr(input, 'aria-activedescendant', list.children[index]?.id ?? null)
    list.children[index]?.scrollIntoView({ block: 'nearest' })
  }
  const choose = (value) => {
    const { begin, end } = part()
    const before = input.value.slice(0, begin)
    input.value = before + value + input.value.slice(end)
    const at = before.length + value.length
    input.setSelectionRange(at, at)
    close()
    changed()
  }
  const show = ({ options, total }, words) => {
    for (const option of options) known.set(option.toUpperCase(), option)
    if (options.length === 0 || (options.length === 1 && options[0] === words)) {
      close()
      if (options.length === 0 && words !== '') said(t('start.noOptions'))
      return
    }
    list.replaceChildren(...options.map((option) => {
      const at = option.toUpperCase().indexOf(words.toUpperCase())
      const marked = words === '' || at < 0 ? option : [option.slice(0, at), h('mark', null, option.slice(at, at + words.length)), option.slice(at + words.length)]
      return h('li', { id: uid('option'), role: 'option', 'aria-selected': 'false', data: { value: option } }, marked)
    }))
    list.hidden = false
    active = -1
    attr(input, 'aria-activedescendant', null)
    attr(input, 'aria-expanded', 'true')
    said(t('start.optionCount', { n: total }))
  }
  const look = async (words) => {
    asking?.abort()
    asking = new AbortController()
    const mine = asking
    try {
      const answer = await ask(words, AbortSignal.any([mine.signal, signal]))
      if (!mine.signal.aborted && document.activeElement === input) show(answer, words)
    } catch {
      if (!mine.signal.aborted) close() // completion is a help; the form works without
    }
  }
  const soon = () => {
    clearTimeout(timer)
    const { words } = part()
    if (/[*?]/.test(words)) close() // a pattern of the reader's own
    else timer = setTimeout(() => look(words), patience)
  }
  input.addEventListener('input', () => {
    changed()
    soon()
  })
  input.addEventListener('click', () => list.hidden && soon())
  input.addEventListener('blur', close)
  input.addEventListener('keydown', (event) => {
    const count = list.childElementCount
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault()
      if (list.hidden) look(part().words)
      else point((active + (event.key === 'ArrowDown' ? 1 : active < 0 ? 0 : -1) + count) % count)
    } else if (!list.hidden && event.key === 'Enter' && active >= 0) {
      event.preventDefault()
      choose(list.children[active].dataset.value)
    } else if (!list.hidden && event.key === 'Escape') {
      event.preventDefault() // closes the list, not the dialog around it
      event.stopPropagation()
      close()
    } else if (!list.hidden && event.key === 'Tab' && active >= 0) {
      choose(list.children[active].dataset.value)
    }
  })
  list.addEventListener('pointerdown', (event) => event.preventDefault()) // the field keeps the focus
  list.addEventListener('click', (event) => {
    const option = event.target.closest('[role=option]')
    if (option) choose(option.dataset.value)
  })
  const settle = () => {
    input.value = input.value.split(',').map((each) => each.trim()).filter(Boolean).map((each) => known.get(each.toUpperCase()) ?? each).join(',')
    return input.value
  }
  return { el, input, settle, close }
}
