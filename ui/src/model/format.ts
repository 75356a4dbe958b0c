// Numbers and dates as people of a locale read them. Sentences are the catalogue's business.

/** −0.123 with a real minus, so that columns of figures line up. */
export function signed(value: number, digits: number): string {
  return value.toFixed(digits).replace("-", "−");
}

/** 0.934 → 93 %; below a half per cent one digit more, so that small is not read as none. */
export function percent(score: number, locale: string): string {
  const digits = score > 0 && score < 0.005 ? 1 : 0;
  return new Intl.NumberFormat(locale, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits }).format(score);
}

/** An accuracy as papers print it: 72.8 %. */
export function accuracy(share: number, locale: string): string {
  return new Intl.NumberFormat(locale, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(share);
}

/** How much of a transfer is here: whole per cent, and 100 only when all of it is. */
export function done(share: number, locale: string): string {
  return new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 0 }).format(Math.floor(share * 100) / 100);
}

/** A probability with enough digits to tell small ones apart. */
export function probability(value: number): string {
  return value.toFixed(value > 0 && value < 0.001 ? 5 : 3);
}

export function count(value: number, locale: string): string {
  return new Intl.NumberFormat(locale).format(value);
}

const BYTE_UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

/** Decimal units, as file managers other than Windows' show them. */
export function bytes(value: number, locale: string): string {
  let [size, unit] = [value, 0];
  // What would be rounded to four digits goes to the next unit.
  while (size >= 999.5 && unit < BYTE_UNITS.length - 1) [size, unit] = [size / 1000, unit + 1];
  return new Intl.NumberFormat(locale, {
    style: "unit", unit: BYTE_UNITS[unit], unitDisplay: unit === 0 ? "long" : "short", maximumFractionDigits: size < 10 && unit > 0 ? 1 : 0,
  }).format(size);
}

const BINARY_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** Memory of a computer comes in powers of two: 12 GiB, where a file of the same size is 12.9 GB. */
export function memory(bytes: number, locale: string): string {
  let [size, unit] = [bytes, 0];
  while (size >= 1023.5 && unit < BINARY_UNITS.length - 1) [size, unit] = [size / 1024, unit + 1];
  return `${new Intl.NumberFormat(locale, { maximumFractionDigits: size < 10 ? 1 : 0 }).format(size)} ${BINARY_UNITS[unit]}`;
}

const MINUTE_MS = 60_000;
const AGES = [["year", 525_600], ["month", 43_800], ["day", 1440], ["hour", 60], ["minute", 1]] as const;

/** How long ago something was: `2 days ago`; null within the last minute, and for a clock that was set back. */
export function ago(ms: number, nowMs: number, locale: string): string | null {
  const minutes = (nowMs - ms) / MINUTE_MS;
  const age = AGES.find(([, length]) => minutes >= length);
  // Not "yesterday": 25 hours can be two calendar days.
  return age ? new Intl.RelativeTimeFormat(locale, { numeric: "always" }).format(-Math.floor(minutes / age[1]), age[0]) : null;
}

export function dateTime(ms: number, locale: string, timeZone?: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short", timeZone }).format(ms);
}

/** The camera writes its own wall clock and no zone; reading it as UTC shows the digits it wrote. */
export function cameraTime(ms: number, locale: string): string {
  return dateTime(ms, locale, "UTC");
}

/** Large counts in model facts: 17.6 M. */
export function compact(value: number, locale: string): string {
  return new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 }).format(value);
}

export type TimeLeft =
  | { key: "progress.left.seconds"; values: { seconds: number } }
  | { key: "progress.left.minutes"; values: { minutes: number; seconds: number } }
  | { key: "progress.left.hours"; values: { hours: number; minutes: number } };

export function timeLeft(secs: number): TimeLeft {
  const whole = Math.max(1, Math.round(secs));
  if (whole < 60) return { key: "progress.left.seconds", values: { seconds: whole } };
  if (whole < 3600) return { key: "progress.left.minutes", values: { minutes: Math.floor(whole / 60), seconds: whole % 60 } };
  return { key: "progress.left.hours", values: { hours: Math.floor(whole / 3600), minutes: Math.floor((whole % 3600) / 60) } };
}

/** Photos per second: whole above ten, one digit below. */
export function rate(perSec: number, locale: string): string {
  return new Intl.NumberFormat(locale, { maximumFractionDigits: perSec < 10 ? 1 : 0 }).format(perSec);
}

/** The folder of a path of either separator. */
export function folderOf(path: string): string {
  const cut = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  return cut <= 0 ? path.slice(0, cut + 1) : path.slice(0, cut);
}
