// This device's key: a P-256 key pair whose private half the browser keeps and never shows, not even to this page.
//
// Invariant: the private key is made non-extractable and stored as a CryptoKey in IndexedDB. One database per number given
// in the address, so several phones can be open in one browser.

const curve = { name: "ECDSA", namedCurve: "P-256" };
const storeName = "device";

/// The number in the address (`?number=+86…`), where a plus sign may have arrived as a space.
export function numberInAddress() {
  const given = new URLSearchParams(location.search).get("number");
  return given ? given.replace(/^ /, "+").replace(/[^+0-9]/g, "") : "";
}

export function canKeepKeys() {
  return Boolean(globalThis.isSecureContext && globalThis.crypto?.subtle && globalThis.indexedDB);
}

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function withStore(mode, act) {
  const number = numberInAddress();
  const opening = indexedDB.open(number ? `paytone-phone ${number}` : "paytone-phone", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(storeName);
  const database = await settled(opening);
  try {
    const transaction = database.transaction(storeName, mode, { durability: "strict" });
    const result = await settled(act(transaction.objectStore(storeName)));
    if (mode === "readwrite") {
      await new Promise((resolve, reject) => {
        transaction.oncomplete = resolve;
        transaction.onabort = () => reject(transaction.error);
      });
    }
    return result;
  } finally {
    database.close();
  }
}

/// `{device, number, privateKey, signedOut, pass}` of this phone, or undefined before enrolment.
export function loadDevice() {
  return withStore("readonly", (store) => store.get("this"));
}

export function saveDevice(record) {
  return withStore("readwrite", (store) => store.put(record, "this"));
}

export function forgetDevice() {
  return withStore("readwrite", (store) => store.delete("this"));
}

export function base64url(bytes) {
  let text = "";
  for (const byte of new Uint8Array(bytes)) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/// A new key pair; `publicKey` is base64url of the 65-byte uncompressed point.
export async function makeKey() {
  const pair = await crypto.subtle.generateKey(curve, false, ["sign", "verify"]);
  return { privateKey: pair.privateKey, publicKey: base64url(await crypto.subtle.exportKey("raw", pair.publicKey)) };
}

/// ECDSA with SHA-256 over the UTF-8 text, r‖s, base64url.
export async function sign(privateKey, text) {
  const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, privateKey, new TextEncoder().encode(text));
  return base64url(signature);
}
