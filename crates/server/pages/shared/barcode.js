// Code 128 and QR code pictures of a payment code's twenty digits.
//
// Only what such a code needs: set C of Code 128 (ISO/IEC 15417), and a QR code of version 1, numeric, level Q (ISO/IEC 18004).
// Invariant: black on white with its quiet zone, whatever the page's colours: scanners want nothing else.

import { svg } from "/shared/dom.js";

// Widths of bars and spaces in turn: values 0 to 105, the last being "start with set C".
const widths =
  "212222222122222221121223121322131222122213122312132212221213221312231212112232122132122231113222123122123221223211221132221231213212223112312131311222321122321221312212322112322211212123212321232121111323131123131321112313132113132311211313231113231311112133112331132131113123113321133121313121211331231131213113213311213131311123311321331121312113312311332111314111221411431111111224111422121124121421141122141221112214112412122114122411142112142211241211221114413111241112134111111242121142121241114212124112124211411212421112421211212141214121412121111143111341131141114113114311411113411311113141114131311141411131211412211214211232";
const stop = "2331112";
const startC = 105;

/// The widths of all bars and spaces of an even number of digits.
export function code128(digits) {
  const values = [startC, ...digits.match(/\d\d/g).map(Number)];
  const sum = values.reduce((total, value, at) => total + value * Math.max(1, at), 0);
  return [...values, sum % 103].map((value) => widths.slice(value * 6, value * 6 + 6)).join("") + stop;
}

const size = 21;
const dataBytes = 13;
const checkBytes = 13;
const levelQ = 3;

function times(a, b) {
  let product = 0;
  for (let bit = 7; bit >= 0; bit -= 1) {
    product = (product << 1) ^ ((product >> 7) * 0x11d);
    product ^= ((b >> bit) & 1) * a;
  }
  return product & 0xff;
}

/// Reed and Solomon's check bytes.
function checks(data) {
  const divisor = new Array(checkBytes).fill(0);
  divisor[checkBytes - 1] = 1;
  for (let count = 0, root = 1; count < checkBytes; count += 1, root = times(root, 2)) {
    for (let at = 0; at < checkBytes; at += 1) divisor[at] = times(divisor[at], root) ^ (divisor[at + 1] ?? 0);
  }
  const rest = new Array(checkBytes).fill(0);
  for (const byte of data) {
    const factor = byte ^ rest.shift();
    rest.push(0);
    divisor.forEach((coefficient, at) => { rest[at] ^= times(coefficient, factor); });
  }
  return rest;
}

function bytesOf(digits) {
  const bits = (value, count) => value.toString(2).padStart(count, "0");
  let text = bits(1, 4) + bits(digits.length, 10);
  for (const group of digits.match(/\d{1,3}/g)) text += bits(Number(group), group.length * 3 + 1);
  text += "0".repeat(Math.min(4, dataBytes * 8 - text.length));
  text = text.padEnd(Math.ceil(text.length / 8) * 8, "0");
  const data = text.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2));
  for (let pad = 0xec; data.length < dataBytes; pad ^= 0xec ^ 0x11) data.push(pad);
  return [...data, ...checks(data)];
}

const masks = [
  (x, y) => (x + y) % 2,
  (x, y) => y % 2,
  (x) => x % 3,
  (x, y) => (x + y) % 3,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2,
  (x, y) => ((x * y) % 2) + ((x * y) % 3),
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2,
];

function drawn(bytes, mask) {
  const dark = Array.from({ length: size }, () => new Array(size).fill(false));
  const fixed = Array.from({ length: size }, () => new Array(size).fill(false));
  const put = (x, y, on) => {
    if (x < 0 || y < 0 || x >= size || y >= size) return;
    dark[y][x] = Boolean(on);
    fixed[y][x] = true;
  };
  for (let at = 0; at < size; at += 1) {
    put(6, at, at % 2 === 0);
    put(at, 6, at % 2 === 0);
  }
  for (const [cx, cy] of [[3, 3], [size - 4, 3], [3, size - 4]]) {
    for (let y = -4; y <= 4; y += 1) {
      for (let x = -4; x <= 4; x += 1) {
        const far = Math.max(Math.abs(x), Math.abs(y));
        put(cx + x, cy + y, far !== 2 && far !== 4);
      }
    }
  }
  let rest = (levelQ << 3) | mask;
  for (let count = 0; count < 10; count += 1) rest = (rest << 1) ^ ((rest >> 9) * 0x537);
  const format = ((((levelQ << 3) | mask) << 10) | rest) ^ 0x5412;
  const bit = (at) => (format >> at) & 1;
  for (let at = 0; at < 6; at += 1) put(8, at, bit(at));
  put(8, 7, bit(6));
  put(8, 8, bit(7));
  put(7, 8, bit(8));
  for (let at = 9; at < 15; at += 1) put(14 - at, 8, bit(at));
  for (let at = 0; at < 8; at += 1) put(size - 1 - at, 8, bit(at));
  for (let at = 8; at < 15; at += 1) put(8, size - 15 + at, bit(at));
  put(8, size - 8, true);
  let at = 0;
  for (let right = size - 1; right > 0; right -= 2) {
    if (right === 6) right = 5;
    for (let step = 0; step < size; step += 1) {
      const upward = ((right + 1) & 2) === 0;
      const y = upward ? size - 1 - step : step;
      for (const x of [right, right - 1]) {
        if (fixed[y][x]) continue;
        const on = (bytes[at >> 3] >> (7 - (at & 7))) & 1;
        dark[y][x] = Boolean(on) !== (masks[mask](x, y) === 0);
        at += 1;
      }
    }
  }
  return dark;
}

/// How hard a scanner would find it (clause 7.8.3).
function penalty(dark) {
  let sum = 0;
  const lines = [...dark, ...dark.map((_, x) => dark.map((row) => row[x]))].map((line) => line.map(Number).join(""));
  for (const line of lines) {
    for (const run of line.match(/0+|1+/g)) if (run.length >= 5) sum += run.length - 2;
    for (let at = 0; at + 11 <= line.length; at += 1) if (["10111010000", "00001011101"].includes(line.slice(at, at + 11))) sum += 40;
  }
  for (let y = 1; y < size; y += 1) {
    for (let x = 1; x < size; x += 1) if (dark[y][x] === dark[y - 1][x] && dark[y][x] === dark[y][x - 1] && dark[y][x] === dark[y - 1][x - 1]) sum += 3;
  }
  const share = (dark.flat().filter(Boolean).length * 100) / (size * size);
  return sum + Math.floor(Math.abs(share - 50) / 5) * 10;
}

/// Rows of dark and light modules.
export function qrOf(digits) {
  const bytes = bytesOf(digits);
  return masks.map((_, mask) => drawn(bytes, mask)).reduce((best, next) => (penalty(next) < penalty(best) ? next : best));
}

export function qrPicture(digits, label) {
  const quiet = 4;
  const path = qrOf(digits).flatMap((row, y) => row.map((on, x) => (on ? `M${x + quiet} ${y + quiet}h1v1h-1z` : ""))).join("");
  const side = size + 2 * quiet;
  return svg("svg", { class: "code-picture qr", viewBox: `0 0 ${side} ${side}`, role: "img", "aria-label": label, "shape-rendering": "crispEdges", testid: "pay-qr" }, svg("rect", { class: "paper", width: side, height: side }), svg("path", { class: "ink", d: path }));
}

export function barPicture(digits, label) {
  const quiet = 10;
  const height = 40;
  let at = quiet;
  let path = "";
  [...code128(digits)].map(Number).forEach((width, place) => {
    if (place % 2 === 0) path += `M${at} 0h${width}v${height}h-${width}z`;
    at += width;
  });
  return svg("svg", { class: "code-picture bars", viewBox: `0 -6 ${at + quiet} ${height + 12}`, preserveAspectRatio: "none", role: "img", "aria-label": label, "shape-rendering": "crispEdges", testid: "pay-bars" }, svg("rect", { class: "paper", y: -6, width: at + quiet, height: height + 12 }), svg("path", { class: "ink", d: path }));
}
