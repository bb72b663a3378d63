// The server's events, read with fetch because EventSource cannot send the session's header.
//
// Reconnects by itself with growing, jittered pauses, at once when the browser is online or visible again. Whoever listens
// must fetch what it may have missed on every `open`.

import { DeviceGone, openStream } from "/phone/api.js";

const firstPause_ms = 500;
const longestPause_ms = 30_000;
// The server pings more often than this; a longer silence is a dead connection.
const silence_ms = 45_000;

async function* messagesOf(body, touch) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    touch();
    rest = (rest + value).replaceAll("\r\n", "\n");
    const blocks = rest.split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      let type = "message";
      const data = [];
      for (const line of block.split("\n")) {
        if (line.startsWith("event:")) type = line.slice(6).trim();
        else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
      }
      if (data.length > 0) yield { type, data: JSON.parse(data.join("\n")) };
    }
  }
}

/// Follows the events until `stop()`. `onevent({type, data})`, `onopen()`, `onlost()`, `ongone()` when the device is not known.
export function followEvents({ onevent, onopen, onlost, ongone }) {
  let stopped = false;
  let pause_ms = firstPause_ms;
  let connection = null;
  let wake = () => {};

  const waitBefore = (ms) =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  const run = async () => {
    while (!stopped) {
      connection = new AbortController();
      let watchdog;
      const touch = () => {
        clearTimeout(watchdog);
        watchdog = setTimeout(() => connection.abort(), silence_ms);
      };
      try {
        touch();
        const answer = await openStream(connection.signal);
        pause_ms = firstPause_ms;
        onopen();
        for await (const event of messagesOf(answer.body, touch)) onevent(event);
      } catch (error) {
        if (error instanceof DeviceGone) {
          stopped = true;
          ongone();
          return;
        }
      } finally {
        clearTimeout(watchdog);
      }
      if (stopped) return;
      onlost();
      await waitBefore(pause_ms * (0.75 + Math.random() / 2));
      pause_ms = Math.min(pause_ms * 2, longestPause_ms);
    }
  };

  const soon = () => {
    if (document.visibilityState === "visible") wake();
  };
  window.addEventListener("online", soon);
  document.addEventListener("visibilitychange", soon);
  run();

  return {
    stop: () => {
      stopped = true;
      window.removeEventListener("online", soon);
      document.removeEventListener("visibilitychange", soon);
      connection?.abort();
      wake();
    },
  };
}
