// The operator's sign-in. The token lives as long as the tab, so a reload does not sign out and a closed tab does.

import { Problem, request } from "/shared/request.js";

const place = "paytone.operator";
let session = read();

function read() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(place) ?? "null");
    return kept && Date.parse(kept.expires_at) > Date.now() ? kept : null;
  } catch {
    return null;
  }
}

export function operator() {
  return session?.operator ?? null;
}

export async function signIn(name, password) {
  session = await request("POST", "/admin/api/sessions", { body: { name, password } });
  sessionStorage.setItem(place, JSON.stringify(session));
}

/// Ends the session at the server too. Where that cannot be reached, the token is at least gone from here.
export async function signOut() {
  const token = session?.token;
  if (token) await request("DELETE", "/admin/api/sessions", { token }).catch(() => {});
  session = null;
  sessionStorage.removeItem(place);
  location.hash = "";
  location.reload();
}

/// GET under this session; a session that is over leads back to the sign-in.
export async function get(path) {
  try {
    return await request("GET", `/admin/api${path}`, { token: session.token });
  } catch (error) {
    if (error instanceof Problem && error.status === 401) signOut();
    throw error;
  }
}

/// POST under this session. `key` makes it done once, however often it is sent.
export async function post(path, body, key) {
  try {
    return await request("POST", `/admin/api${path}`, { token: session.token, body, headers: { "idempotency-key": key } });
  } catch (error) {
    if (error instanceof Problem && error.status === 401) signOut();
    throw error;
  }
}

/// The text of a picture that the server draws.
export async function getPicture(path) {
  const answer = await fetch(`/admin/api${path}`, { cache: "no-store", headers: { authorization: `Bearer ${session.token}` } });
  if (!answer.ok) throw new Problem(answer.status, {});
  return answer.text();
}
