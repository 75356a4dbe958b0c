// What the model's card measured at each threshold.
import type { ThresholdRow } from "../ipc/bindings";

/** The measured row nearest to a threshold; null where nothing was measured. */
export function nearestRow(rows: readonly ThresholdRow[], threshold: number): ThresholdRow | null {
  const distance = (row: ThresholdRow) => Math.abs(row.threshold - threshold);
  return rows.reduce<ThresholdRow | null>((best, row) => (best && distance(best) <= distance(row) ? best : row), null);
}
