// Scores for the made-up library: as a sigmoid model would give them, plausible and always the same.
import type { LabelScore } from "./bindings";
import { FITTING, MODEL, random } from "./fakeData";
import { pictureOf } from "./fakePictures";

const UNRELATED_LOGIT = -5.2;

/** Each model sees a photo a little differently. */
export function scoresOf(id: number, labels: readonly string[], model = MODEL.name): LabelScore[] {
  const fitting = FITTING[pictureOf(id).scene];
  return labels.map((label) => {
    const noise = (random(id * 31 + hash(label) + (model === MODEL.name ? 0 : hash(model)))() - 0.5) * 2.4;
    const logit = (fitting[label] ?? UNRELATED_LOGIT) + noise;
    return { label, logit, cosine: (logit - (MODEL.logitBias ?? 0)) / MODEL.logitScale, probability: 1 / (1 + Math.exp(-logit)) };
  });
}

export function hash(text: string): number {
  let sum = 7;
  for (const char of text) sum = (Math.imul(sum, 31) + (char.codePointAt(0) ?? 0)) | 0;
  return sum;
}
