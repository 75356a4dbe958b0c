// What is said of projections and of their figures.
import type { AffineCard, HeadKind, MapCard, ProjectionCard, Side } from "../../ipc/bindings";
import * as format from "../../model/format";
import { currentLocale, t } from "../../state/i18n.svelte";
import { figure } from "../../model/charts/figures";
import type { Fact } from "./fact";

export const SIDES: readonly Side[] = ["image", "text"];
export const SIDE_COLOUR: Record<Side, `--${string}`> = { image: "--cat-1", text: "--cat-2" };

export function sideName(side: Side): string {
  return t(`projection.${side}`);
}

export function kindName(kind: HeadKind): string {
  return t(`projection.kind.${kind}`);
}

export function share(value: number): string {
  return format.percent(value, currentLocale());
}

/** `768 → 512 · x @ W`, as the file has it. */
export function orientation(map: MapCard): string {
  return t(map.storedAs === "inOut" ? "projection.xw" : "projection.wx", { input: map.input, output: map.output });
}

export function storedShape(map: MapCard): string {
  return t("projection.stored", { rows: map.storedShape[0], columns: map.storedShape[1] });
}

export function biasWords(map: MapCard): string {
  if (map.bias !== "present") return t(`projection.bias.${map.bias}`);
  return t("projection.bias.present", { norm: figure(map.biasNorm) });
}

export function affineWords(affine: AffineCard | null): string {
  if (!affine) return t("projection.affine.none");
  const shift = figure(affine.shiftNorm);
  if (affine.ofValues) return t("projection.affine.values", { shift });
  return affine.scaleNorm === null ? t("projection.affine.shift", { shift }) : t("projection.affine.norm", { shift, scale: figure(affine.scaleNorm) });
}

/** Why there is no effective bias to speak of. */
export function noEffectiveBias(card: ProjectionCard): string {
  return t(card.kind === "mlp" ? "projection.effective.mlp" : "projection.effective.none");
}

/** Where one map of several has to be told from the others: `fc1`. */
export function mapName(card: ProjectionCard, index: number): string {
  const map = card.maps[index];
  if (card.maps.length < 2 || !map) return sideName(card.side);
  return t("projection.mapOf", { side: sideName(card.side), number: index + 1 });
}

export function mapFacts(map: MapCard): Fact[] {
  const { figures } = map;
  return [
    { term: t("spectrum.rank"), value: t("spectrum.of", { value: figures.rank, of: Math.min(map.input, map.output) }), title: t("spectrum.rank.what") },
    { term: t("spectrum.effectiveRank"), value: figure(figures.effectiveRank), title: t("spectrum.effectiveRank.what") },
    { term: t("spectrum.stableRank"), value: figure(figures.stableRank), title: t("spectrum.stableRank.what") },
    { term: t("spectrum.participation"), value: figure(figures.participationRatio), title: t("spectrum.participation.what") },
    { term: t("spectrum.condition"), value: figure(figures.conditionNumber ?? Infinity), title: t("spectrum.condition.what") },
    { term: t("spectrum.frobenius"), value: figure(figures.frobeniusNorm), title: t("spectrum.frobenius.what") },
    { term: t("spectrum.orthogonal"), value: figure(figures.distanceFromOrthogonal), title: t("spectrum.orthogonal.what") },
    { term: t("spectrum.spanned"), value: share(figures.spannedShare), title: t("spectrum.spanned.what") },
  ];
}
