// A report on how a model does: its checks in order, counted, and as text for copying.
import type { Check, CheckId, CheckOutcome, VerifyReport } from "../ipc/bindings";

/** Every check in the order they are made; the compiler keeps it complete. */
const ORDER: Record<CheckId, number> = {
  files: 0, load: 1, tokenizer: 2, pooling: 3, preprocessing: 4, logitScale: 5, spread: 6, samples: 7, language: 8, orientation: 9,
  rank: 10, effectiveBias: 11, activation: 12, normEpsilon: 13, agreement: 14,
};
export const CHECK_IDS = (Object.keys(ORDER) as CheckId[]).sort((a, b) => ORDER[a] - ORDER[b]);

export function countOf(checks: readonly Check[]): Record<CheckOutcome, number> {
  const counts: Record<CheckOutcome, number> = { skipped: 0, pass: 0, warn: 0, fail: 0 };
  for (const { outcome } of checks) counts[outcome] += 1;
  return counts;
}

/** The shell's own English sentences, a line a check: what a report to others needs. */
export function reportText(report: VerifyReport): string {
  const lines = report.checks.map(({ id, outcome, figure, message }) => {
    const shown = figure === null ? "" : ` [${String(figure)}]`;
    return `${outcome.padEnd(7)} ${id}${shown}: ${message}`;
  });
  return [`${report.name}: ${report.outcome}`, ...lines].join("\n") + "\n";
}

/** Keys of the sentence about what a check found, the most exact one first. */
export function sentenceKeys({ id, outcome, params }: Check): string[] {
  if (outcome === "skipped") return [`check.skipped.${params.reason}`];
  if (outcome === "pass") return [`check.${id}.pass`];
  if (params.cause !== undefined) return [`check.${id}.cause`, "check.cause"];
  return [`check.${id}.${outcome}`, `check.${id}.bad`];
}

/** A check's number with as many digits as it needs: differences are small, scales are not. */
export function figureText(figure: number): string {
  const size = Math.abs(figure);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return figure.toExponential(1).replace("-", "−");
  return figure.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 3).replace("-", "−");
}
