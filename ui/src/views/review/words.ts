// Review in the person's language: probabilities, steps, dates, and what stands for a model.
import type { ReviewLabel, StepWords, SuggestedBy } from "../../ipc/bindings";
import * as format from "../../model/format";
import { keycaps, SHORTCUTS, type ShortcutId } from "../../model/keys";
import { labelParts } from "../../model/review";
import { currentLocale, t, tIfKnown } from "../../state/i18n.svelte";
import type { Told } from "../../state/review.svelte";
import { figure } from "../../model/charts/figures";
import { IS_MAC } from "../frame/shortcuts";

export function percent(value: number): string {
  return format.percent(value, currentLocale());
}

export function number(value: number): string {
  return format.count(value, currentLocale());
}

/** A probability where thresholds are set: two digits, three near the ends. */
export function chance(value: number): string {
  return value.toFixed(value < 0.0995 || value > 0.9005 ? 3 : 2);
}

/** `animal/dog` as it is read: dog, among animals. */
export function labelTitle(label: string): string {
  const { within, name } = labelParts(label);
  return [...within, name].join(" › ");
}

/** Accept “dog” on 12 photos. */
export function stepWords({ kind, label, photos }: StepWords): string {
  return t(`review.step.${kind}`, { label: labelTitle(label ?? ""), count: photos });
}

export function toldWords({ way, step, skipped }: Told): string {
  const said = t(`review.told.${way}`, { step: stepWords(step) });
  return skipped > 0 ? `${said} ${t("review.told.skipped", { count: skipped })}` : said;
}

export function modelName(name: string): string {
  return name === "embedded" ? t("model.builtIn") : name;
}

/** Where a suggestion comes from, in one quiet line. */
export function origin(by: SuggestedBy): string {
  const date = new Intl.DateTimeFormat(currentLocale(), { dateStyle: "medium" }).format(by.suggestedMs);
  return [t("review.by.score", { score: figure(by.score) }), t("review.by.cosine", { cosine: figure(by.cosine) }), modelName(by.model), date].join(" · ");
}

/** Who chose a threshold. */
export function chosenBy(by: ReviewLabel["thresholdBy"]): string {
  if (by === null) return t("review.thresholdBy.default");
  return tIfKnown(`review.thresholdBy.${by}`) ?? t("review.thresholdBy.measure", { measure: by.toUpperCase() });
}

export function capsOf(id: ShortcutId): string[] {
  return keycaps(SHORTCUTS[id][0], IS_MAC, t("key.space"));
}
