// The sentence at the foot of the window.
import type { Progress } from "../../ipc/bindings";
import * as format from "../../model/format";
import { currentLocale, t } from "../../state/i18n.svelte";
import type { Workspace } from "../../state/workspace.svelte";

/** `Labelling 1,204 of 8,310 · 86 photos/s · 1 min 22 s left`; `again` names the model for which photos are encoded again. */
export function progressWords(progress: Progress, again: string | null): string {
  const { phase, done, total, ratePerSec, secsLeft } = progress;
  if (phase === "scanning") return t("progress.scanning", { total });
  if (phase === "labels") return t("progress.labels", { done, total });
  if (phase === "cancelled") return t("progress.cancelled", { done, total });
  const parts = [again === null ? t("progress.working", { done, total }) : t("progress.again", { name: again, done, total })];
  if (ratePerSec !== null) parts.push(t("progress.rate", { rate: format.rate(ratePerSec, currentLocale()) }));
  if (secsLeft !== null) {
    const left = format.timeLeft(secsLeft);
    parts.push(t(left.key, left.values));
  }
  return parts.join(" · ");
}

/** With nothing to do: what is on the screen. */
export function tableWords(app: Workspace): string {
  return app.screen === "models" ? modelsWords(app) : photosWords(app);
}

/** `170 models · 5 here, 2.4 GB · 118 GB free in ~/models`. */
function modelsWords({ models }: Workspace): string {
  const { list } = models;
  if (!list) return "";
  const [all, shown] = [models.all.length, models.shown.length];
  const here = models.here.filter((model) => model.installed !== null);
  const taken = here.reduce((sum, model) => sum + (model.installed?.inPlace ? 0 : (model.installed?.bytes ?? 0)), 0);
  const parts = [shown === all ? t("status.models", { count: all }) : t("status.modelsShown", { shown, count: all })];
  if (here.length > 0) parts.push(t("status.modelsHere", { count: here.length, size: format.bytes(taken, currentLocale()) }));
  if (list.freeBytes !== null) parts.push(t("status.free", { size: format.bytes(list.freeBytes, currentLocale()), folder: list.folder }));
  return parts.join(" · ");
}

function photosWords({ library, grid }: Workspace): string {
  if (library.total === 0) return "";
  const parts = [t("inspector.photos", { count: library.total })];
  if (grid.isFiltered || grid.isSearching) parts.push(t("status.shown", { count: grid.ids.length }));
  if (grid.selection.ids.size > 0) parts.push(t("status.selected", { count: grid.selection.ids.size }));
  return parts.join(" · ");
}
