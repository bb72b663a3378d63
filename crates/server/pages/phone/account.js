// What this phone knows of its account right now, kept fresh by the event stream.
//
// Views read `account` and listen on `changes` for "me", "prompts", "prompt_closed", "payment", "device", "connection", "open",
// "gone" (the server knows this device no more) and "wanted" (a view asks for a prompt to be opened).
// Nothing here is stored: every opening of the app fetches anew.

import { call, callTimed } from "/phone/api.js";
import { followEvents } from "/phone/stream.js";
import { learnServerTime, secondsUntil } from "/shared/time.js";

export const changes = new EventTarget();
export const account = { me: null, prompts: [], connected: true };

let stream = null;
let lostTimer = null;

function tell(type, detail) {
  changes.dispatchEvent(new CustomEvent(type, { detail }));
}

export async function refreshMe() {
  account.me = await call("GET", "/me");
  tell("me");
}

export async function refreshPrompts() {
  const { body, took_ms } = await callTimed("GET", "/prompts");
  learnServerTime(body.server_time, took_ms);
  account.prompts = body.prompts;
  tell("prompts");
}

/// A new phone's request may wait without an end.
function endOf(prompt) {
  return prompt.deadline ? Date.parse(prompt.deadline) : Number.MAX_SAFE_INTEGER;
}

export function openPrompts() {
  return account.prompts
    .filter((prompt) => !prompt.deadline || secondsUntil(prompt.deadline) > 0)
    .sort((first, second) => endOf(first) - endOf(second));
}

/// Takes a prompt off the list because it was answered here or closed elsewhere.
export function closePrompt(id, status = null) {
  account.prompts = account.prompts.filter((prompt) => prompt.id !== id);
  tell("prompt_closed", { id, status });
  tell("prompts");
}

function setConnected(connected) {
  clearTimeout(lostTimer);
  lostTimer = null;
  if (account.connected === connected) return;
  account.connected = connected;
  tell("connection");
}

const quietly = (promise) => promise.catch(() => {});

function onevent({ type, data }) {
  if (type === "prompt") {
    account.prompts = [...account.prompts.filter((prompt) => prompt.id !== data.id), data];
    tell("prompts");
  } else if (type === "prompt_closed") {
    closePrompt(data.id, data.status);
  } else if (type === "payment") {
    tell("payment", data);
    quietly(refreshMe());
  } else if (type === "device") {
    tell("device", data);
  } else if (type === "me") {
    quietly(refreshMe());
  }
}

/// Starts following. `active` is false for a device that may not see the account yet: it then only hears of itself.
export function follow(active) {
  stream?.stop();
  stream = followEvents({
    onevent,
    onopen: () => {
      setConnected(true);
      tell("open");
      if (active) {
        quietly(refreshPrompts());
        quietly(refreshMe());
      }
    },
    onlost: () => {
      // A single dropped connection is normal and mended within a second; only a lasting loss is worth a word.
      lostTimer ??= setTimeout(() => setConnected(false), 4000);
    },
    ongone: () => tell("gone"),
  });
  if (!active) return;
  const again = () => {
    if (document.visibilityState === "visible") quietly(refreshPrompts());
  };
  document.addEventListener("visibilitychange", again);
  window.addEventListener("online", again);
}

export function stopFollowing() {
  stream?.stop();
  stream = null;
}
