// Scores and probabilities of the made-up review: two bells a label, and a logistic curve that decisions move.
import { FITTING, MODEL, random } from "./fakeData";
import { pictureOf } from "./fakePictures";
import { hash, scoresOf } from "./fakeScores";

const NEUTRAL_LOGIT = -5.2;
/** Pull of the curve that the library alone gives, in units of z². */
const PRIOR_PRECISION: [number, number] = [4, 0.6];
const NEWTON_STEPS = 8;

export interface Curve {
  median: number;
  scale: number;
  slope: number;
  offset: number;
}

/** The cosine above that of neutral prompts. */
export function scoreOf(photo: number, label: string, model: string): number {
  const [score] = scoresOf(photo, [label], model);
  const next = random(photo * 131 + hash(label + model));
  const bell = Math.sqrt(-2 * Math.log(Math.max(1e-9, next()))) * Math.cos(2 * Math.PI * next());
  return ((score?.logit ?? NEUTRAL_LOGIT) - NEUTRAL_LOGIT + 0.55 * bell) / MODEL.logitScale;
}

/** What is on the photo: what fits its scene, most of the time. */
export function isOn(photo: number, label: string): boolean {
  const fitting = FITTING[pictureOf(photo).scene][label] ?? -9;
  return random(photo * 53 + hash(label))() < 1 / (1 + Math.exp(-(1.4 * fitting + 0.3)));
}

/** logistic(slope·z + offset), z = (score − median) / scale; decisions pull it away from where the library alone puts it. */
export function curveOf(scores: readonly number[], decided: readonly { score: number; isRight: boolean }[]): Curve {
  const sorted = [...scores].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const scale = Math.max(1e-4, ((sorted[Math.floor(sorted.length * 0.75)] ?? 0) - (sorted[Math.floor(sorted.length * 0.25)] ?? 0)) / 1.349);
  const prior: [number, number] = [1.1, -4.4];
  let [slope, offset] = prior;
  for (let step = 0; step < NEWTON_STEPS; step++) {
    let [g0, g1] = [PRIOR_PRECISION[0] * (slope - prior[0]), PRIOR_PRECISION[1] * (offset - prior[1])];
    let [h00, h01, h11] = [PRIOR_PRECISION[0], 0, PRIOR_PRECISION[1]];
    for (const { score, isRight } of decided) {
      const z = (score - median) / scale;
      const p = logistic(slope * z + offset);
      const [error, weight] = [p - Number(isRight), Math.max(1e-6, p * (1 - p))];
      g0 += error * z;
      g1 += error;
      h00 += weight * z * z;
      h01 += weight * z;
      h11 += weight;
    }
    const determinant = h00 * h11 - h01 * h01;
    slope -= (h11 * g0 - h01 * g1) / determinant;
    offset -= (h00 * g1 - h01 * g0) / determinant;
  }
  return { median, scale, slope: Math.max(0.2, slope), offset };
}

export function probabilityOf({ median, scale, slope, offset }: Curve, score: number): number {
  return logistic((slope * (score - median)) / scale + offset);
}

/** The score at a probability. */
export function scoreFor({ median, scale, slope, offset }: Curve, probability: number): number {
  return median + (scale * (Math.log(probability / (1 - probability)) - offset)) / slope;
}

function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
