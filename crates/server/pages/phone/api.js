// Calls to the phone API in a session of this device.
//
// The session's token lives in memory only. It comes from signing a challenge with the device's key and is renewed the same
// way when the server no longer takes it. Who signed out stays so, over reloads too, until they sign in again.

import { saveDevice, sign } from "/phone/keys.js";
import { exchange, Problem, request } from "/shared/request.js";

const base = "/phone/api";
let device = null;
let token = null;
let signingIn = null;

/// The server does not know this device's key any more.
export class DeviceGone extends Error {}

export function useDevice(record) {
  device = record;
  token = null;
}

export function thisDevice() {
  return device;
}

async function openSession() {
  try {
    const { challenge } = await request("POST", `${base}/challenges`, { body: { device: device.device } });
    const signature = await sign(device.privateKey, `paytone.session.v1\n${challenge}\n${location.origin}`);
    const session = await request("POST", `${base}/sessions`, { body: { device: device.device, challenge, signature } });
    token = session.token;
    return session;
  } catch (error) {
    if (error instanceof Problem && [401, 403, 404, 410].includes(error.status)) throw new DeviceGone();
    throw error;
  }
}

/// Signs in; several callers at once share one attempt. Returns the session, with `device_status`.
export function signIn() {
  signingIn ??= openSession().finally(() => {
    signingIn = null;
  });
  return signingIn;
}

/// Ends this session at the server; only then it is remembered here that nobody is signed in.
export async function signOut() {
  await call("DELETE", "/sessions");
  token = null;
  await saveDevice({ ...device, pass: undefined, signedOut: true });
}

/// After a sign-out: the next opening signs in by itself again.
export async function allowSignIn(record) {
  await saveDevice({ ...record, signedOut: false });
}

async function inSession(act) {
  if (!token) await signIn();
  try {
    return await act(token);
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 401) throw error;
    token = null;
    await signIn();
    return act(token);
  }
}

/// `{body, took_ms}` of one call under this device's session.
export function callTimed(method, path, body) {
  return inSession((current) => exchange(method, base + path, { body, token: current }));
}

export async function call(method, path, body) {
  return (await callTimed(method, path, body)).body;
}

/// Opens the event stream; the answer's body is still to be read.
export function openStream(signal) {
  return inSession(async (current) => {
    const answer = await fetch(`${base}/events`, {
      signal,
      cache: "no-store",
      headers: { accept: "text/event-stream", authorization: `Bearer ${current}` },
    });
    if (!answer.ok) throw new Problem(answer.status, {});
    return answer;
  });
}

/// Calls before there is a device: enrolment.
export function callOpen(method, path, body) {
  return request(method, base + path, { body });
}
