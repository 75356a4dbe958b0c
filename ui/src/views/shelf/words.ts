// What is said of photos, sidecars and findings on the Library screen.
import type { Finding, NearPhoto, Outlier } from "../../ipc/bindings";
import * as format from "../../model/format";
import { LOOK_BITS, pixelRatio, type Measured } from "../../model/shelfNear";
import { currentLocale, t, tIfKnown } from "../../state/i18n.svelte";

export function size(bytes: number): string {
  return bytes > 0 ? format.bytes(bytes, currentLocale()) : "–";
}

export function count(value: number): string {
  return format.count(value, currentLocale());
}

export function pixels({ width, height }: Pick<Measured, "width" | "height">): string {
  return width > 0 && height > 0 ? `${width} × ${height}` : "–";
}

/** Three digits, and never 1 for what is not quite the same. */
export function cosine(value: number): string {
  return value < 1 ? format.signed(Math.min(value, 0.999), 3) : "1";
}

export function time(ms: number): string {
  return format.dateTime(ms, currentLocale());
}

/** Why a photo stands in its group. */
export function evidence({ keep, cosine: alike, lookDistance }: NearPhoto, isSameContent: boolean): string {
  if (keep) return t("near.keep");
  if (isSameContent) return t("near.same");
  return t("near.evidence", { cosine: cosine(alike), bits: lookDistance, of: LOOK_BITS });
}

/** All of a photo in a group, for a screen reader. */
export function spokenPhoto(photo: NearPhoto, isSameContent: boolean): string {
  const parts = [photo.name, evidence(photo, isSameContent), pixels(photo), size(photo.bytes)];
  if (photo.marked) parts.push(t("shelf.marked"));
  return parts.join(" · ");
}

export function outlierWords({ similarity, deviations }: Outlier): string {
  return t("outlier.evidence", { cosine: cosine(similarity), deviations: format.signed(deviations, 1) });
}

export function spokenOutlier(outlier: Outlier): string {
  const parts = [outlier.name, outlierWords(outlier), t("outlier.nearest", { cosine: cosine(outlier.nearestCosine) })];
  if (outlier.marked) parts.push(t("shelf.marked"));
  return parts.join(" · ");
}

/** How the second differs in pixels from the first; null where there is nothing to say. */
export function pixelWords(kept: Measured, other: Measured): string | null {
  const ratio = pixelRatio(other, kept);
  if (ratio === null || Math.abs(ratio - 1) < 0.005) return null;
  return t("near.ofPixels", { share: format.percent(ratio, currentLocale()) });
}

/** A finding in the person's language where it is of a kind that is known here, and else in the shell's English. */
export function findingWords({ kind, what }: Finding): { text: string; isEnglish: boolean } {
  const known = tIfKnown(`health.finding.${kind}`);
  return { text: known ?? what, isEnglish: known === null && currentLocale() !== "en" };
}
