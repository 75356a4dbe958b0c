// Made-up evaluations: real figures of made-up decisions.
import type { CompareWith, Confusion, Evaluation, EvaluationDifference, EvaluationMean, EvaluationQuery, EvaluationReport, EvaluationRow, Measured, ReliabilityBin } from "./bindings";

/** A decision with the probability that a model gives it. */
export interface Judgement {
  photo: number;
  label: string;
  isRight: boolean;
  probability: number;
}

const BINS = 10;
const SHOWN_PHOTOS = 6;
const BETA: Record<EvaluationQuery["measure"], number> = { f1: 1, "f0.5": 0.5, f2: 2 };

export function reported(query: EvaluationQuery, what: string, judged: readonly Judgement[], other: readonly Judgement[] | null, threshold: (label: string) => number): EvaluationReport {
  const first = evaluated(query, what, judged, threshold);
  const second = other && query.compare ? evaluated(query, otherName(query.compare), other, threshold) : null;
  return { this: first, other: second, differences: second ? differences(first, second) : [] };
}

function otherName(compare: CompareWith): string {
  return compare.kind === "unedited" ? "without edits" : compare.name;
}

function evaluated(query: EvaluationQuery, what: string, judged: readonly Judgement[], threshold: (label: string) => number): Evaluation {
  const labels = [...new Set(judged.map(({ label }) => label))];
  const rows = labels.map((label) => rowOf(label, judged.filter((one) => one.label === label), threshold(label), BETA[query.measure]));
  const squared = judged.reduce((sum, { probability, isRight }) => sum + (probability - Number(isRight)) ** 2, 0);
  const reliability = binned(judged);
  return {
    what, photos: new Set(judged.map(({ photo }) => photo)).size, rows, micro: micro(judged, threshold), macroMean: macro(rows), confusions: confusions(judged, threshold), reliability,
    calibrationError: judged.length > 0 ? reliability.reduce((sum, bin) => sum + (bin.count / judged.length) * Math.abs(bin.probability - bin.share), 0) : null,
    brier: judged.length > 0 ? squared / judged.length : null,
  };
}

function rowOf(label: string, judged: readonly Judgement[], threshold: number, beta: number): EvaluationRow {
  const positives = judged.filter(({ isRight }) => isRight).length;
  const hits = judged.filter(({ probability, isRight }) => isRight && probability >= threshold).length;
  const suggested = judged.filter(({ probability }) => probability >= threshold).length;
  const tries = judged.map(({ probability }) => probability).filter((at) => at > 0.001 && at < 0.999);
  const best = tries.map((at): [number, number] => [at, fAt(judged, at, beta)]).reduce<[number, number] | null>((top, one) => (top === null || one[1] > top[1] ? one : top), null);
  return {
    label, positives, negatives: judged.length - positives, threshold, precision: wilson(hits, suggested), recall: wilson(hits, positives),
    f1: positives > 0 ? fAt(judged, threshold, 1) : null, averagePrecision: averagePrecision(judged), best: positives > 0 && positives < judged.length ? best : null,
  };
}

function fAt(judged: readonly Judgement[], threshold: number, beta: number): number {
  let [hits, suggested, positives] = [0, 0, 0];
  for (const { probability, isRight } of judged) {
    if (isRight) positives += 1;
    if (probability < threshold) continue;
    suggested += 1;
    if (isRight) hits += 1;
  }
  const weight = beta * beta;
  return positives + suggested === 0 ? 0 : ((1 + weight) * hits) / (weight * positives + suggested);
}

function averagePrecision(judged: readonly Judgement[]): number | null {
  const ranked = [...judged].sort((a, b) => b.probability - a.probability);
  let [hits, sum] = [0, 0];
  ranked.forEach(({ isRight }, index) => {
    if (!isRight) return;
    hits += 1;
    sum += hits / (index + 1);
  });
  return hits > 0 ? sum / hits : null;
}

/** Wilson's interval for a share, at 95 %. */
function wilson(hits: number, of: number): Measured | null {
  if (of === 0) return null;
  const [z, share] = [1.96, hits / of];
  const middle = (share + (z * z) / (2 * of)) / (1 + (z * z) / of);
  const half = (z / (1 + (z * z) / of)) * Math.sqrt((share * (1 - share)) / of + (z * z) / (4 * of * of));
  return { value: share, low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}

function micro(judged: readonly Judgement[], threshold: (label: string) => number): EvaluationMean | null {
  const suggested = judged.filter(({ label, probability }) => probability >= threshold(label));
  const hits = suggested.filter(({ isRight }) => isRight).length;
  const positives = judged.filter(({ isRight }) => isRight).length;
  if (suggested.length === 0 || positives === 0) return null;
  return { precision: hits / suggested.length, recall: hits / positives, f1: (2 * hits) / (suggested.length + positives), averagePrecision: averagePrecision(judged) };
}

function macro(rows: readonly EvaluationRow[]): EvaluationMean | null {
  const whole = rows.filter(({ precision, recall }) => precision && recall);
  if (whole.length === 0) return null;
  const mean = (value: (row: EvaluationRow) => number | null | undefined) => whole.reduce((sum, row) => sum + (value(row) ?? 0), 0) / whole.length;
  return { precision: mean((row) => row.precision?.value), recall: mean((row) => row.recall?.value), f1: mean((row) => row.f1), averagePrecision: mean((row) => row.averagePrecision) };
}

/** A label that was rejected where another one was accepted. */
function confusions(judged: readonly Judgement[], threshold: (label: string) => number): Confusion[] {
  const right = new Map<number, string[]>();
  for (const { photo, label, isRight } of judged) if (isRight) right.set(photo, [...(right.get(photo) ?? []), label]);
  const pairs = new Map<string, Confusion>();
  for (const { photo, label, isRight, probability } of judged) {
    if (isRight || probability < threshold(label)) continue;
    for (const truth of right.get(photo) ?? []) {
      const pair = pairs.get(`${truth}\n${label}`) ?? { truth, suggested: label, count: 0, photos: [] };
      pair.count += 1;
      if (pair.photos.length < SHOWN_PHOTOS) pair.photos.push(photo);
      pairs.set(`${truth}\n${label}`, pair);
    }
  }
  return [...pairs.values()].sort((a, b) => b.count - a.count).slice(0, 12);
}

function binned(judged: readonly Judgement[]): ReliabilityBin[] {
  return Array.from({ length: BINS }, (_, bin) => judged.filter(({ probability }) => Math.min(BINS - 1, Math.floor(probability * BINS)) === bin)).flatMap((inBin) => {
    if (inBin.length === 0) return [];
    const mean = (value: (one: Judgement) => number) => inBin.reduce((sum, one) => sum + value(one), 0) / inBin.length;
    return [{ probability: mean(({ probability }) => probability), share: mean(({ isRight }) => Number(isRight)), count: inBin.length }];
  });
}

function differences(first: Evaluation, second: Evaluation): EvaluationDifference[] {
  const found = first.rows.flatMap((row): EvaluationDifference[] => {
    const other = second.rows.find(({ label }) => label === row.label);
    if (row.averagePrecision === null || other === undefined || other.averagePrecision === null) return [];
    return [{ label: row.label, difference: around(other.averagePrecision - row.averagePrecision, row.positives + row.negatives) }];
  });
  if (found.length === 0) return [];
  const mean = found.reduce((sum, { difference }) => sum + difference.value, 0) / found.length;
  return [{ label: null, difference: around(mean, first.photos) }, ...found];
}

/** An interval as wide as so many photos make it. */
function around(value: number, photos: number): Measured {
  const half = 1.96 * Math.sqrt(0.05 / Math.max(1, photos));
  return { value, low: value - half, high: value + half };
}
