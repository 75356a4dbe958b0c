// Figures as they stand in charts and cards: three digits, powers of ten where more would not say more.
const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const LARGEST_PLAIN = 1e5;
const SMALLEST_PLAIN = 1e-3;

/** 0.83217 → 0.832, 0.000032 → 3.2·10⁻⁵, −1204 → −1204; a missing figure is a dash. */
export function figure(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < LARGEST_PLAIN) return minus(String(value));
  return size < SMALLEST_PLAIN || size >= LARGEST_PLAIN ? power(value, digits) : minus(plain(value, digits));
}

/** Digits before the point are never rounded away; zeros behind it do not count. */
function plain(value: number, digits: number): string {
  const whole = Math.floor(Math.log10(Math.abs(value))) + 1;
  return value.toFixed(Math.max(0, digits - whole));
}

function power(value: number, digits: number): string {
  const [mantissa = "", exponent = ""] = value.toExponential(digits - 1).split("e");
  const short = mantissa.includes(".") ? mantissa.replace(/\.?0+$/u, "") : mantissa;
  const raised = minus(exponent.replace("+", "")).replace("−", "⁻").replace(/\d/gu, (digit) => SUPERSCRIPTS[Number(digit)] ?? "");
  return short === "1" ? `10${raised}` : `${minus(short)}·10${raised}`;
}

function minus(text: string): string {
  return text.replace("-", "−");
}

/** The index of the largest share not above what is asked: how many directions hold so much of the energy. */
export function directionsFor(energy: readonly number[], share: number): number {
  const index = energy.findIndex((sum) => sum >= share);
  return index < 0 ? energy.length : index + 1;
}
