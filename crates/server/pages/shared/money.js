// Amounts as the server sends them: a decimal string in major units and a currency code.
//
// Invariant: an amount never becomes a floating point number. Whole parts are formatted as BigInt and the fraction is
// carried over digit by digit.

import { h } from "/shared/dom.js";
import { languageTag } from "/shared/messages.js";

const shape = /^(-?)(\d+)(?:\.(\d+))?$/;

function formatter(currency, digits) {
  return new Intl.NumberFormat(languageTag(), {
    style: "currency",
    currency,
    currencyDisplay: "narrowSymbol",
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/// "128.00", "CNY" → "¥128.00" in the reader's language.
export function money(amount, currency) {
  const found = shape.exec(amount);
  if (!found) return `${amount} ${currency}`;
  const [, sign, whole, fraction = ""] = found;
  const parts = formatter(currency, fraction.length).formatToParts(BigInt(whole));
  const text = parts.map((part) => (part.type === "fraction" ? fraction : part.value)).join("");
  return sign ? `−${text}` : text;
}

/// An element with the amount; `large` adds the currency's code, since signs are shared between currencies.
export function amountElement(amount, currency, { large = false, testid, sign = "" } = {}) {
  return h(
    "span",
    { class: large ? "amount large" : "amount", testid },
    sign + money(amount, currency),
    large && h("span", { class: "code" }, currency),
  );
}

/// The amount in its smallest written unit; two amounts of one currency compare and add in it.
export function minor(amount) {
  const found = shape.exec(amount);
  if (!found) return 0n;
  const [, sign, whole, fraction = ""] = found;
  const value = BigInt(whole + fraction.padEnd(4, "0").slice(0, 4));
  return sign ? -value : value;
}

/// How many whole per mille `part` is of `whole`, between 0 and 1000; for drawing bars only.
export function perMille(part, whole) {
  const total = minor(whole);
  if (total <= 0n) return 0;
  const share = (minor(part) * 1000n) / total;
  return Number(share < 0n ? 0n : share > 1000n ? 1000n : share);
}
