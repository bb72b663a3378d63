// Building pages from values.
//
// Invariant: text from outside reaches the page only as a text node or an attribute set by name; nothing here (or
// anywhere in these pages) parses markup from a string, so there is nothing to escape.

const svgNames = "http://www.w3.org/2000/svg";

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "testid") element.setAttribute("data-testid", value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child);
  }
  return element;
}

/// An element: `h("p", {class: "quiet", onclick}, "text", otherElement)`. Empty children are left out.
export function h(name, properties, ...children) {
  return fill(document.createElement(name), properties, children);
}

export function svg(name, properties, ...children) {
  return fill(document.createElementNS(svgNames, name), properties, children);
}

/// Puts `children` in the place of whatever `parent` held.
export function show(parent, ...children) {
  parent.replaceChildren(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
}

export function byId(id) {
  return document.getElementById(id);
}
