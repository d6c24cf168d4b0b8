// A few words for building elements. Text only ever enters as text nodes and attributes, never as
// markup, so nothing that an exchange or a log says can become a part of the page.

const svgNames = new Set(['svg', 'path', 'rect', 'circle', 'line', 'polyline', 'polygon', 'g', 'use', 'defs', 'linearGradient', 'stop', 'clipPath', 'title'])

/**
 * h makes an element: h('button', {class: 'x', onclick: f, hidden: true}, 'text', child, [children]).
 * A property whose name begins with on is a listener; true is an empty attribute; false, null and
 * undefined leave it out. `data` is an object for dataset, `style` one for CSSOM (allowed by the policy).
 */
export function h(name, props, ...children) {
  const el = svgNames.has(name) && name !== 'title' ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name)
  set(el, props)
  append(el, children)
  return el
}

export function set(el, props) {
  for (const [key, value] of Object.entries(props ?? {})) {
    if (key.startsWith('on') && typeof value === 'function') el.addEventListener(key.slice(2), value)
    else if (key === 'data') Object.assign(el.dataset, value)
    else if (key === 'style') for (const [name, v] of Object.entries(value)) el.style.setProperty(name, v)
    else if (value === false || value == null) el.removeAttribute(key)
    else el.setAttribute(key, value === true ? '' : value)
  }
  return el
}

export function append(el, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === '') continue
    el.append(child instanceof Node ? child : String(child))
  }
  return el
}

/** text writes a node's text only where it differs: what does not change costs no layout. */
export function text(el, value) {
  const next = value == null ? '' : String(value)
  if (el.textContent !== next) el.textContent = next
}

/** attr writes an attribute only where it differs; null takes it away. */
export function attr(el, name, value) {
  if (value === null || value === undefined || value === false) {
    if (el.hasAttribute(name)) el.removeAttribute(name)
    return
  }
  const next = value === true ? '' : String(value)
  if (el.getAttribute(name) !== next) el.setAttribute(name, next)
}

/**
 * keyed lets the children of an element be those of a list, each made once and kept by its key.
 * make(item) gives an element; update(element, item) writes what is new. Elements that stay are
 * moved only where their order changed, so focus and scroll hold. They stand behind the child `after`,
 * where one is given.
 */
export function keyed(parent, key, make, update, after = null) {
  const known = new Map()
  return {
    known,
    render(list) {
      const wanted = new Set()
      let before = after ? after.nextElementSibling : parent.firstElementChild
      for (const item of list) {
        const id = key(item)
        wanted.add(id)
        let el = known.get(id)
        if (!el) {
          el = make(item)
          known.set(id, el)
        }
        update?.(el, item)
        if (el === before) before = before.nextElementSibling
        else parent.insertBefore(el, before)
      }
      for (const [id, el] of known) {
        if (wanted.has(id)) continue
        el.remove()
        known.delete(id)
      }
    },
  }
}

let counter = 0
/** uid makes an id for aria-controls and its like. */
export const uid = (prefix) => `${prefix}-${++counter}`
