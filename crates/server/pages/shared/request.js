// JSON over fetch. An answer that is not a success becomes a `Problem` (RFC 9457); no answer at all becomes `Unreachable`.

import { t, tCode } from "/shared/messages.js";

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail ?? body.title ?? String(status));
    this.status = status;
    this.code = body.code ?? `http_${status}`;
    this.field = body.field ?? null;
    this.body = body;
  }

  /// What to tell a person: our text for the code where there is one, else the server's sentence.
  get words() {
    return tCode("problem", this.code, this.body.detail ?? this.body.title ?? t("problem.unexpected"));
  }
}

export class Unreachable extends Error {
  get words() {
    return t("problem.unreachable");
  }
}

export function wordsFor(error) {
  return error instanceof Problem || error instanceof Unreachable ? error.words : t("problem.unexpected");
}

async function bodyOf(answer) {
  const text = await answer.text();
  if (text === "") return {};
  try {
    return JSON.parse(text);
  } catch {
    return { detail: t("problem.unexpected") };
  }
}

/// Sends and returns `{body, took_ms, date}`; `body` undefined in `options` sends none.
export async function exchange(method, path, { body, token, headers = {}, signal } = {}) {
  const started = performance.now();
  let answer;
  try {
    answer = await fetch(path, {
      method,
      signal,
      cache: "no-store",
      credentials: "same-origin",
      headers: {
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Unreachable();
  }
  const took_ms = performance.now() - started;
  const content = await bodyOf(answer);
  if (!answer.ok) throw new Problem(answer.status, content);
  return { body: content, took_ms, date: answer.headers.get("date") };
}

/// Like `exchange`, but only the body.
export async function request(method, path, options) {
  return (await exchange(method, path, options)).body;
}
