// The bias lab in the person's language: what edits are called, what differences say, and reports as text.
import type { AblationReport, Edit, EditKind, HeadForm, Judged, Measures, Side, TuneReport } from "../../ipc/bindings";
import * as format from "../../model/format";
import { fileName, sideOf } from "../../model/lab";
import { currentLocale, t, tIfKnown } from "../../state/i18n.svelte";

export function editName(what: EditKind): string {
  if (what.kind === "addBias") return t(`edit.along.${what.along.kind}`);
  if (what.kind === "rankCut") return t(`edit.keep.${what.keep.kind}`);
  if (what.kind === "replace") return t("edit.name.replaceBy", { name: headName(what.name) });
  return t(`edit.name.${what.kind}`);
}

/** What it does, in one line. */
export function editWords(what: EditKind): string {
  if (what.kind === "addBias") return t(what.side === "image" ? "edit.what.addBiasImage" : "edit.what.addBiasText");
  if (what.kind === "rankCut") return t(`edit.cut.${what.keep.kind}`);
  return t(`edit.what.${what.kind}`);
}

/** What a direction or a cut is made of: `+ cat, lynx − dog`, `40 strongest and 60 weakest dropped`. */
export function editDetail(what: EditKind): string {
  if (what.kind === "rankCut") {
    const { keep } = what;
    return keep.kind === "band" ? t("edit.detail.band", { top: keep.dropTop, bottom: keep.dropBottom }) : t("edit.detail.k", { count: keep.k });
  }
  if (what.kind !== "addBias") return "";
  const { along } = what;
  if (along.kind === "labels") return signed(along.plus.join(", "), along.minus.join(", "));
  if (along.kind === "photos") return signed(photosOf(along.plus.length), photosOf(along.minus.length));
  return along.kind === "file" ? fileName(along.path) : t("edit.detail.gap");
}

function photosOf(count: number): string {
  return count === 0 ? "" : t("edit.detail.photos", { count });
}

function signed(plus: string, minus: string): string {
  return [plus && `+ ${plus}`, minus && `− ${minus}`].filter(Boolean).join("  ");
}

export function sideWords(what: EditKind): string {
  return t(`edit.side.${sideOf(what) ?? "both"}`);
}

/** Heads that ship with a model have names in the catalogue; others are called as their file is. */
export function headName(name: string): string {
  return tIfKnown(`edit.head.${name}`) ?? fileName(name);
}

export function strengthText(strength: number): string {
  return format.signed(strength, 2);
}

/** For screen readers: the whole edit in one phrase. */
export function editSpoken(edit: Edit): string {
  return t("edit.spoken", { name: editName(edit.what), side: sideWords(edit.what) });
}

export function percent(share: number): string {
  return format.percent(share, currentLocale());
}

/** An accuracy, to a tenth of a per cent. */
export function accuracy(share: number): string {
  return format.accuracy(share, currentLocale());
}

export function number(value: number, digits = 3): string {
  return format.signed(value, digits);
}

/** A difference of accuracies in points: +2.1. */
export function points(difference: number): string {
  const text = (difference * 100).toFixed(1);
  if (Number(text) === 0) return "0.0";
  return difference > 0 ? `+${text}` : text.replace("-", "−");
}

export function seconds(value: number): string {
  return new Intl.NumberFormat(currentLocale(), { style: "unit", unit: "second", unitDisplay: "short", maximumFractionDigits: value < 10 ? 1 : 0 }).format(value);
}

export function milliseconds(value: number): string {
  if (value >= 1000) return seconds(value / 1000);
  return new Intl.NumberFormat(currentLocale(), { style: "unit", unit: "millisecond", unitDisplay: "short", maximumFractionDigits: 0 }).format(value);
}

export function count(value: number): string {
  return format.count(value, currentLocale());
}

export function formName(form: HeadForm | null): string {
  return t(`ablation.form.${form ?? "none"}`);
}

/** Numbers behind a verdict: difference, interval, sign test. */
export function differenceWords({ difference }: Judged): string {
  const { mean, low, high, pValue } = difference;
  return t("tune.difference", { mean: points(mean), low: points(low), high: points(high), p: pValue < 0.001 ? "< 0.001" : pValue.toFixed(pValue < 0.1 ? 3 : 2) });
}

/** `question`: what is asked, such as whether the bias helped. */
export function verdictSentence(question: "bias" | "tuning" | "mlp", judged: Judged, photos: number): string {
  return [t(`tune.question.${question}`), t(`tune.verdict.${judged.verdict}`, { photos }), differenceWords(judged)].join(" ");
}

type MeasureName = Exclude<keyof Measures, "photos">;
export const MEASURES: readonly MeasureName[] = ["accuracy", "macroF1", "meanAveragePrecision"];

const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [row(head), row(head.map(() => "---")), ...rows.map(row)];
}

/** A tuning as Markdown: the verdict first, then the figures it rests on. */
export function tuneText(report: TuneReport): string {
  const [before, after] = report.measures;
  return [
    `# ${t("tune.reportTitle")}`, "",
    ...(report.bias ? [verdictSentence("bias", report.bias, before.photos), ""] : []),
    verdictSentence("tuning", report.tuning, before.photos), "",
    ...(report.cancelled ? [t("tune.stopped", { done: report.folds.length, total: report.options.folds }), ""] : []),
    ...table([t("tune.measure"), t("tune.before"), t("tune.after")], MEASURES.map((name) => [t(`lab.measure.${name}`), accuracy(before[name]), accuracy(after[name])])), "",
    ...table(
      [t("tune.fold"), t("tune.heldOut"), t("tune.before"), t("tune.after"), t("tune.bestEpoch")],
      report.folds.map((fold, index) => [index + 1, fold.heldOut, accuracy(fold.accuracyBefore), accuracy(fold.accuracyAfter), fold.bestEpoch].map(String)),
    ), "",
    optionsText(report.options), "",
    report.classes.map(({ name, photos }) => `${name} (${photos})`).join(", "), "",
  ].join("\n");
}

export function ablationText(report: AblationReport): string {
  const meanSd = ({ mean, sd }: { mean: number; sd: number }) => `${accuracy(mean)} ± ${(sd * 100).toFixed(1)}`;
  return [
    `# ${t("ablation.title")}`, "",
    t("ablation.ofModel", { model: report.model, photos: photosIn(report.classes), classes: report.classes.length, seeds: report.options.seeds, folds: report.options.folds }), "",
    ...table(
      [t("ablation.form"), t("ablation.parameters"), ...MEASURES.map((name) => t(`lab.measure.${name}`)), t("ablation.loss")],
      report.rows.map((entry) => [formName(entry.form), String(entry.parameters), ...MEASURES.map((name) => meanSd(entry[name])), `${entry.loss.mean.toFixed(3)} ± ${entry.loss.sd.toFixed(3)}`]),
    ), "",
    ...table([t("ablation.pair"), t("ablation.difference"), t("ablation.verdict")], report.pairs.map(({ from, to, judged }) => [`${formName(from)} → ${formName(to)}`, differenceWords(judged), t(`ablation.says.${judged.verdict}`)])), "",
    optionsText(report.options), "",
  ].join("\n");
}

/** Options as the engine names them: who repeats a fit needs them all. */
function optionsText(options: object): string {
  return Object.entries(options).map(([name, value]) => `${name}: ${String(value)}`).join(", ");
}

export function photosIn(classes: readonly { photos: number }[]): number {
  return classes.reduce((sum, { photos }) => sum + photos, 0);
}

export const SIDES: readonly Side[] = ["image", "text"];
