// A ring that empties until a deadline, by the server's clock.

import { h, svg } from "/shared/dom.js";
import { t } from "/shared/messages.js";
import { minutesAndSeconds, serverNow } from "/shared/time.js";

/// Returns `{element, stop}`. `from` is when the wait began; `onend` is called once when nothing is left. `clock` is the server's
/// unless another one is given.
export function countdownRing({ from, deadline, size = 72, onend = () => {}, testid = "countdown", clock = serverNow }) {
  const width = Math.max(4, Math.round(size / 16));
  const radius = (size - width) / 2;
  const length = 2 * Math.PI * radius;
  const total_s = Math.max(1, Math.round((Date.parse(deadline) - Date.parse(from)) / 1000));
  const circle = (name) => svg("circle", { class: name, cx: size / 2, cy: size / 2, r: radius, fill: "none", "stroke-width": width });
  const left = circle("left");
  left.setAttribute("stroke-dasharray", length);
  const words = h("span", { class: "words", "aria-hidden": "true" });
  // Read out on the minute and near the end only; a screen reader would otherwise never stop counting.
  const spoken = h("span", { class: "unseen", "aria-live": "polite" });
  const element = h(
    "span",
    { class: "ring", role: "timer", testid },
    svg("svg", { width: size, height: size, viewBox: `0 0 ${size} ${size}`, "aria-hidden": "true" }, circle("track"), left),
    words,
    spoken,
  );
  words.style.fontSize = `${Math.max(13, Math.round(size / 4.2))}px`;
  let timer = null;
  const stop = () => clearInterval(timer);
  const tick = () => {
    // The clock is known to within the network's delay; more than the whole time would look like a mistake.
    const seconds = Math.min(total_s, Math.max(0, Math.ceil((Date.parse(deadline) - clock()) / 1000)));
    words.textContent = minutesAndSeconds(seconds);
    left.setAttribute("stroke-dashoffset", length * (1 - Math.min(1, seconds / total_s)));
    element.classList.toggle("short", seconds <= 30);
    if (spoken.textContent === "" || seconds % 60 === 0 || seconds === 30 || seconds === 10) {
      spoken.textContent = t("time.left", { time: minutesAndSeconds(seconds) });
    }
    if (seconds === 0) {
      stop();
      onend();
    }
  };
  timer = setInterval(tick, 1000);
  tick();
  return { element, stop };
}
