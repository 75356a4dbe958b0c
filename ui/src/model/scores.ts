// A photo's table of scores: its order, and how it is copied.
import type { LabelScore } from "../ipc/bindings";

export type Column = "label" | "probability" | "cosine" | "logit";
export interface ColumnOrder {
  column: Column;
  descending: boolean;
}

export const BEST_FIRST: ColumnOrder = { column: "probability", descending: true };

/** A second click on a column turns it around; numbers begin with the largest, names with A. */
export function nextOrder(order: ColumnOrder, column: Column): ColumnOrder {
  return order.column === column ? { column, descending: !order.descending } : { column, descending: column !== "label" };
}

export function sortScores(scores: readonly LabelScore[], { column, descending }: ColumnOrder): LabelScore[] {
  const sign = descending ? -1 : 1;
  // Probabilities saturate at 0 and 1; the logit keeps the order there.
  const key = column === "probability" ? "logit" : column;
  return scores.toSorted((a, b) => sign * (key === "label" ? a.label.localeCompare(b.label) : a[key] - b[key]));
}

/** Tab-separated with a heading row, full precision: made for a spreadsheet. */
export function scoresAsTsv(scores: readonly LabelScore[]): string {
  return tsv([
    ["label", "probability", "cosine", "logit"],
    ...scores.map((row) => [row.label, String(row.probability), String(row.cosine), String(row.logit)]),
  ]);
}

export function tsv(rows: readonly (readonly string[])[]): string {
  return rows.map((row) => row.map((cell) => cell.replace(/[\t\r\n]+/gu, " ")).join("\t")).join("\n") + "\n";
}
