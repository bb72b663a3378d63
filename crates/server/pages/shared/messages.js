// Texts: one file of flat keys per language at /messages/LANGUAGE.json, chosen by the browser's languages or by the reader.
//
// Invariant: a text that a person reads comes from here or from the server's own data; code holds keys only.

import { h } from "/shared/dom.js";

export const languages = [
  { code: "en", tag: "en", name: "English", short: "EN" },
  { code: "zh", tag: "zh-CN", name: "简体中文", short: "中文" },
];

const remembered = "paytone.language";
let texts = {};
let current = languages[0];

function stored() {
  try {
    return localStorage.getItem(remembered);
  } catch {
    return null; // Storage can be forbidden; the browser's own languages are then enough.
  }
}

function chosen() {
  const wishes = [stored(), ...(navigator.languages ?? [navigator.language])].filter(Boolean);
  for (const wish of wishes) {
    const found = languages.find((language) => wish.toLowerCase().split("-")[0] === language.code);
    if (found) return found;
  }
  return languages[0];
}

/// Loads the texts and marks the document with its language. Call once, before anything is drawn.
export async function loadMessages() {
  current = chosen();
  const answer = await fetch(`/messages/${current.code}.json`);
  if (!answer.ok) throw new Error(`messages: ${answer.status}`);
  texts = await answer.json();
  document.documentElement.lang = current.tag;
}

/// The tag for dates and figures: the reader's own region where the browser names one for this language.
export function languageTag() {
  return (navigator.languages ?? []).find((wish) => wish.toLowerCase().split("-")[0] === current.code) ?? current.tag;
}

/// "en" or "zh".
export function languageCode() {
  return current.code;
}

export function hasText(key) {
  return Object.hasOwn(texts, key);
}

/// The text for `key` with `{name}` places filled from `values`.
export function t(key, values = {}) {
  const text = texts[key];
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (place, name) => (name in values ? String(values[name]) : place));
}

/// Like `t`, choosing `key.one` or `key.other` by the language's plural rule for `count`.
export function tCount(key, count, values = {}) {
  const form = new Intl.PluralRules(current.tag).select(count);
  const exact = `${key}.${form}`;
  return t(hasText(exact) ? exact : `${key}.other`, { count, ...values });
}

/// The text for `prefix.code`, or `otherwise` when this page is older than the code.
export function tCode(prefix, code, otherwise) {
  const key = `${prefix}.${code}`;
  return hasText(key) ? t(key) : (otherwise ?? code);
}

/// Two buttons, one per language; choosing one reloads the page in it.
export function languageSwitch() {
  return h(
    "div",
    { class: "language", role: "group", "aria-label": t("language.label"), testid: "language" },
    languages.map((language) =>
      h(
        "button",
        {
          type: "button",
          lang: language.tag,
          "aria-label": language.name,
          "aria-pressed": String(language.code === current.code),
          testid: `language-${language.code}`,
          onclick: () => {
            try {
              localStorage.setItem(remembered, language.code);
            } catch {
              return;
            }
            location.reload();
          },
        },
        language.short,
      ),
    ),
  );
}
