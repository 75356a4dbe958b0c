// The sentences of the Models screen.
import type { CatalogueModel, Check, ModelInfo, Transfer } from "../../ipc/bindings";
import { sentenceKeys } from "../../model/checks";
import * as format from "../../model/format";
import { shareOf, standingOf } from "../../model/models";
import { currentLocale, explain, t, tIfKnown } from "../../state/i18n.svelte";
import { modelTitle } from "../../state/modelWords";
import type { Models } from "../../state/models.svelte";

export function size(bytes: number | null): string {
  return bytes === null ? "–" : format.bytes(bytes, currentLocale());
}

export function accuracy(share: number | null): string {
  return share === null ? "–" : format.accuracy(share, currentLocale());
}

export function parameters(count: number | null): string {
  return count === null ? "–" : format.compact(count, currentLocale());
}

/** Inputs are square but for a few. */
export function input(size: readonly [number, number] | null): string {
  if (size === null) return "–";
  const [height, width] = size;
  return height === width ? t("models.inputSide", { side: width }) : t("model.inputSize", { width, height });
}

/** Why a model is recommended; the catalogue has the sentence in English. */
export function why(model: CatalogueModel): string | null {
  return tIfKnown(`why.${model.name}`) ?? model.why;
}

/** What a licence allows, in a sentence; never more than is known. */
export function licenceMeaning(model: CatalogueModel): string {
  const { licence, noncommercial } = model;
  if (licence === null) return t("licence.unknown");
  const known = tIfKnown(`licence.${licence}`);
  if (known !== null) return known;
  if (noncommercial === null) return t("licence.other");
  return t(noncommercial ? "licence.otherNoncommercial" : "licence.otherCommercial");
}

/** `260 MB of 605 MB · 24 MB/s · 14 s left`. */
export function transferWords(transfer: Transfer): string {
  const { state, received, total, ratePerSec, secsLeft } = transfer;
  const amount = total === null ? size(received) : t("transfer.amount", { received: size(received), total: size(total) });
  if (state === "waiting" || state === "connecting" || state === "checking") return t(`transfer.${state}`);
  if (state === "paused" || state === "failed") return received > 0 ? t("transfer.kept", { amount }) : t("transfer.nothing");
  const parts = [state === "retrying" ? t("transfer.retrying", { amount }) : amount];
  if (ratePerSec !== null) parts.push(t("transfer.rate", { rate: size(ratePerSec) }));
  if (secsLeft !== null) parts.push(left(secsLeft));
  return parts.join(" · ");
}

function left(secs: number): string {
  const { key, values } = format.timeLeft(secs);
  return t(key, values);
}

/** How a model stands, in the few words of its row. */
export function standingWords(model: CatalogueModel): string {
  const standing = standingOf(model);
  const transfer = model.transfer;
  const share = transfer && shareOf(transfer);
  const done = share === null ? null : format.done(share, currentLocale());
  if (standing === "receiving" && transfer && done !== null) {
    return transfer.secsLeft === null ? done : `${done} · ${left(transfer.secsLeft)}`;
  }
  if (standing === "paused" && done !== null) return t("standing.pausedAt", { share: done });
  return t(`standing.${standing}`);
}

/** One line that says all of a row: for a screen reader, which has no columns. */
export function spokenRow(model: CatalogueModel, state: string): string {
  const parts = [
    modelTitle(model), model.tag, state,
    model.recommended && t(`recommended.${model.recommended}`),
    model.bytes !== null && size(model.bytes),
    model.imagenetTop1 !== null && t("models.spokenAccuracy", { accuracy: accuracy(model.imagenetTop1) }),
    model.licence, model.noncommercial === true && t("models.noncommercial"),
  ];
  return parts.filter(Boolean).join(", ");
}

/** What a check is about, and what it found, in the person's language; the shell's own English where the words lack a value. */
export function checkWords(check: Check): { title: string; found: string; isEnglish: boolean } {
  const values = readable(check.params);
  const found = sentenceKeys(check).reduce<string | null>((sentence, key) => sentence ?? filled(key, values), null);
  return { title: t(`check.${check.id}`), found: found ?? check.message, isEnglish: found === null };
}

/** Counts with their separators, other numbers with the digits that matter. */
function readable(params: Readonly<Record<string, string>>): Record<string, string> {
  const shown = ([key, value]: [string, string]): [string, string] => {
    if (["count", "parameters", "vocabulary", "context"].includes(key) && /^\d+$/u.test(value)) return [key, format.count(Number(value), currentLocale())];
    if (["scale", "bias"].includes(key) && Number.isFinite(Number(value))) return [key, format.signed(Number(value), 2)];
    return [key, value];
  };
  return Object.fromEntries(Object.entries(params).map(shown));
}

/** A message with values that another program sent: one that is missing must not break the page. */
function filled(key: string, params: Readonly<Record<string, string>>): string | null {
  try {
    return tIfKnown(key, params);
  } catch {
    return null;
  }
}

/** What a model is good for and where it fails, a paragraph each. */
export function limits(model: CatalogueModel): string[] {
  if (model.state === "embedded") return [t("model.limits.full")];
  if (model.model === null) return [t("model.other.full")];
  const texts = model.language === "multilingual" ? "limits.multilingual" : model.language === "en" ? "limits.english" : null;
  return texts === null ? [t("limits.clip")] : [t("limits.clip"), t(texts)];
}

/** How cosines become scores: `Softmax · scale 100.0`. */
export function scoreWords(info: ModelInfo): string {
  const scale = info.logitScale.toFixed(1);
  const numbers = info.logitBias === null ? t("model.scale", { scale }) : t("model.scaleBias", { scale, bias: format.signed(info.logitBias, 2) });
  return `${t(info.scoreKind === "softmax" ? "scores.softmax" : "scores.sigmoid")} · ${numbers}`;
}

export function failure(model: CatalogueModel): { what: string; remedy: string } | null {
  const problem = model.installed?.problem ?? (model.state === "failed" || model.transfer?.state === "retrying" ? model.transfer?.problem : null);
  return problem ? explain(problem) : null;
}

/** What a model is called in a sentence: whole, as there are many of one architecture. */
export function nameOf(models: Models, name: string): string {
  const model = models.get(name);
  return model?.state === "embedded" ? modelTitle(model) : name;
}
