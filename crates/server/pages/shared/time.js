// Moments as people read them, and the server's clock.
//
// Deadlines belong to the server, so counting down uses its clock: every answer that carries its time corrects ours.

import { languageTag, t } from "/shared/messages.js";

let ahead_ms = 0;

/// Learns the server's clock from a time it sent, in an answer that took `took_ms` to come.
export function learnServerTime(serverTime, took_ms = 0) {
  const server_ms = Date.parse(serverTime);
  if (Number.isNaN(server_ms)) return;
  ahead_ms = server_ms + took_ms / 2 - Date.now();
}

export function serverNow() {
  return Date.now() + ahead_ms;
}

/// Whole seconds until `moment` by the server's clock, never negative.
export function secondsUntil(moment) {
  return Math.max(0, Math.ceil((Date.parse(moment) - serverNow()) / 1000));
}

/// 137 → "2:17".
export function minutesAndSeconds(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function format(moment, options) {
  const date = new Date(moment);
  return Number.isNaN(date.getTime()) ? "" : new Intl.DateTimeFormat(languageTag(), options).format(date);
}

export function clockTime(moment) {
  return format(moment, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

export function clockTimeExact(moment) {
  return format(moment, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
}

export function dayAndTime(moment) {
  return format(moment, { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

/// A date without a time of day ("2026-12-31") or a moment, as a day.
export function day(moment) {
  const onlyDay = /^\d{4}-\d{2}-\d{2}$/.test(moment);
  return format(moment, { year: "numeric", month: "short", day: "numeric", ...(onlyDay ? { timeZone: "UTC" } : {}) });
}

/// "Today 14:05", "Yesterday 09:12", otherwise day and time.
export function recentMoment(moment) {
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  const at = Date.parse(moment);
  if (at >= midnight.getTime()) return t("time.today", { time: clockTime(moment) });
  if (at >= midnight.getTime() - 86_400_000) return t("time.yesterday", { time: clockTime(moment) });
  return format(moment, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

/// "2026-11" → "November 2026".
export function monthName(month) {
  return format(`${month}-01`, { year: "numeric", month: "long", timeZone: "UTC" });
}

export function wholeDaysUntil(moment) {
  return Math.max(0, Math.ceil((Date.parse(moment) - serverNow()) / 86_400_000));
}
