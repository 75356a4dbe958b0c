// The sentence at the foot of the window.
import type { Progress } from "../../ipc/bindings";
import * as format from "../../model/format";
import { currentLocale, t } from "../../state/i18n.svelte";
import type { Workspace } from "../../state/workspace.svelte";

/** `Labelling 1,204 of 8,310 · 86 photos/s · 1 min 22 s left`. */
export function progressWords(progress: Progress): string {
  const { phase, done, total, ratePerSec, secsLeft } = progress;
  if (phase === "scanning") return t("progress.scanning", { total });
  if (phase === "labels") return t("progress.labels", { done, total });
  if (phase === "cancelled") return t("progress.cancelled", { done, total });
  const parts = [t("progress.working", { done, total })];
  if (ratePerSec !== null) parts.push(t("progress.rate", { rate: format.rate(ratePerSec, currentLocale()) }));
  if (secsLeft !== null) {
    const left = format.timeLeft(secsLeft);
    parts.push(t(left.key, left.values));
  }
  return parts.join(" · ");
}

/** With nothing to do: what is on the table. */
export function tableWords({ library, grid }: Workspace): string {
  if (library.photos.length === 0) return "";
  const parts = [t("inspector.photos", { count: library.photos.length })];
  if (grid.isFiltered) parts.push(t("status.shown", { count: grid.shown.length }));
  if (grid.selected.length > 0) parts.push(t("status.selected", { count: grid.selected.length }));
  return parts.join(" · ");
}
