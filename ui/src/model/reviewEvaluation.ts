// What an evaluation can be said to show.
import type { Evaluation, EvaluationDifference, EvaluationQuery, EvaluationRow, Measured } from "../ipc/bindings";

export type Measure = EvaluationQuery["measure"];
export const MEASURES: readonly Measure[] = ["f1", "f0.5", "f2"];

/** With fewer decisions than this, a label's figures are hardly more than a guess. */
export const FEW = 10;
/** Below this there is nothing to evaluate. */
export const LEAST = 2;

/** Labels whose figures rest on few photos of either kind. */
export function thinLabels(rows: readonly EvaluationRow[]): EvaluationRow[] {
  return rows.filter(({ positives, negatives }) => Math.min(positives, negatives) < FEW);
}

/** Pairs of photo and label that an evaluation rests on. */
export function pairsOf(evaluation: Evaluation): number {
  return evaluation.rows.reduce((sum, row) => sum + row.positives + row.negatives, 0);
}

export type Lean = "helped" | "hurt" | "noDifference";

/** Where the interval holds zero, there may be no difference. */
export function leanOf({ low, high }: Measured): Lean {
  if (low > 0) return "helped";
  return high < 0 ? "hurt" : "noDifference";
}

/** The mean over labels first, then labels by how much they differ. */
export function sortedDifferences(differences: readonly EvaluationDifference[]): EvaluationDifference[] {
  return [...differences].sort((a, b) => Number(a.label !== null) - Number(b.label !== null) || Math.abs(b.difference.value) - Math.abs(a.difference.value));
}

export type RowColumn = "label" | "positives" | "precision" | "recall" | "f1" | "averagePrecision" | "threshold";

export interface RowOrder {
  by: RowColumn;
  descending: boolean;
}

export function sortedRows(rows: readonly EvaluationRow[], { by, descending }: RowOrder): EvaluationRow[] {
  const sign = descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    if (by === "label") return sign * a.label.localeCompare(b.label);
    const [left, right] = [columnValue(a, by), columnValue(b, by)];
    // What is not known comes last, whichever way round.
    if (left === null || right === null) return Number(left === null) - Number(right === null);
    return sign * (left - right) || a.label.localeCompare(b.label);
  });
}

function columnValue(row: EvaluationRow, by: Exclude<RowColumn, "label">): number | null {
  if (by === "precision" || by === "recall") return row[by]?.value ?? null;
  return row[by];
}

/** Whether the best threshold is another one than is in use, as far as it can be told apart. */
export function differsFromBest(row: EvaluationRow): boolean {
  return row.best !== null && Math.abs(row.best[0] - row.threshold) >= 0.005;
}
