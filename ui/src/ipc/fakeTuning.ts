// Made-up fits: curves that fall and bend up again, and verdicts as small collections give them.
import type { AblationOptions, AblationPair, AblationReport, AblationRow, ClassInfo, CurvePoint, Difference, FoldResult, HeadForm, Judged, MeanSd, Measures, TuneOptions, TuneProgress, TuneReport } from "./bindings";
import { random } from "./fakeData";

/** Tells how far a fit is, and takes its time; false when a person stopped it. */
export type FitStep = (progress: TuneProgress) => Promise<boolean>;

const FORMS: readonly HeadForm[] = ["linear", "linearBias", "mlp", "mlpBias"];
const PARAMETERS: Record<HeadForm, number> = { linear: 327_680, linearBias: 327_936, mlp: 1_966_080, mlpBias: 1_967_616 };
const GAIN: Record<HeadForm, number> = { linear: 0.031, linearBias: 0.029, mlp: 0.012, mlpBias: 0.014 };

export async function tuned(options: TuneOptions, classes: ClassInfo[], replacement: string, before: Measures, step: FitStep): Promise<TuneReport> {
  const startedAt = performance.now();
  const folds: FoldResult[] = [];
  let goesOn = true;
  for (let fold = 0; fold < options.folds && goesOn; fold++) {
    const curve: CurvePoint[] = [];
    const next = random(options.seed * 101 + fold);
    for (let epoch = 0; epoch <= Math.min(options.epochs, 34) && goesOn; epoch++) {
      curve.push(pointAt(epoch, next));
      goesOn = await step({ form: null, done: fold, total: options.folds, curve: [...curve] });
    }
    if (!goesOn && folds.length > 0) break;
    const heldOut = Math.round(before.photos / options.folds);
    const accuracyBefore = Math.round((before.accuracy + (next() - 0.5) * 0.1) * heldOut) / heldOut;
    folds.push({ heldOut, accuracyBefore, accuracyAfter: Math.min(1, accuracyBefore + Math.round(next() * 3) / heldOut), bestEpoch: Math.min(24, curve.length - 1), curve });
  }
  const mean = folds.reduce((sum, fold) => sum + fold.accuracyAfter - fold.accuracyBefore, 0) / folds.length;
  const photos = folds.reduce((sum, fold) => sum + fold.heldOut, 0);
  const after: Measures = { ...before, accuracy: before.accuracy + mean, macroF1: before.macroF1 + mean * 0.9, meanAveragePrecision: before.meanAveragePrecision + mean * 0.5 };
  const hasBias = options.parts === "both" || options.parts === "bias";
  return {
    options, classes, folds, measures: [{ ...before, photos }, { ...after, photos }], tuning: judged(mean, photos),
    bias: hasBias ? judged(-0.004, photos) : null,
    replacement, elapsedSecs: (performance.now() - startedAt) / 1000, cancelled: !goesOn,
  };
}

export async function ablated(options: AblationOptions, classes: ClassInfo[], model: string, step: FitStep): Promise<AblationReport> {
  const startedAt = performance.now();
  const total = FORMS.length * options.seeds * options.folds;
  let done = 0;
  for (let seed = 0; seed < options.seeds; seed++) {
    for (const form of FORMS) {
      for (let fold = 0; fold < options.folds; fold++) {
        const next = random(seed * 31 + fold);
        const curve = Array.from({ length: 25 }, (_, epoch) => pointAt(epoch, next));
        if (!(await step({ form, done, total, curve }))) throw { code: "cancelled", params: {}, message: "stopped" };
        done += 1;
      }
    }
  }
  const photos = classes.reduce((sum, { photos: count }) => sum + count, 0);
  const base = 0.82;
  const rows = [null, ...FORMS].map((form): AblationRow => {
    const accuracy = base + (form ? GAIN[form] : 0);
    const sd = form ? 0.011 : 0;
    const around = (mean: number): MeanSd => ({ mean, sd });
    return { form, parameters: form ? PARAMETERS[form] : 0, accuracy: around(accuracy), macroF1: around(accuracy - 0.02), meanAveragePrecision: around(accuracy + 0.06), loss: { mean: 0.62 - (form ? GAIN[form] * 3 : 0), sd: sd * 2 } };
  });
  const pair = (from: HeadForm | null, to: HeadForm): AblationPair => ({ from, to, judged: judged(GAIN[to] - (from ? GAIN[from] : 0), photos) });
  const pairs = [...FORMS.map((form) => pair(null, form)), pair("linear", "linearBias"), pair("mlp", "mlpBias"), pair("linear", "mlp"), pair("linearBias", "mlpBias")];
  return { model, options, classes, rows, pairs, elapsedSecs: (performance.now() - startedAt) / 1000 };
}

function pointAt(epoch: number, next: () => number): CurvePoint {
  const overfit = Math.max(0, epoch - 22) ** 2 * 0.0006;
  return {
    epoch, trainLoss: 0.18 + 0.72 * Math.exp(-epoch / 9) + next() * 0.01, heldOutLoss: 0.41 + 0.5 * Math.exp(-epoch / 8) + overfit + next() * 0.015,
    heldOutAccuracy: 0.8 + 0.07 * (1 - Math.exp(-epoch / 7)) + (next() - 0.5) * 0.012,
  };
}

/** An interval as wide as so many photos make it. */
function judged(mean: number, photos: number): Judged {
  const half = 1.96 * Math.sqrt(0.06 / Math.max(1, photos));
  const difference: Difference = { mean, low: mean - half, high: mean + half, pValue: Math.min(1, Math.exp(-3 * Math.abs(mean / half))) };
  if (photos < 20) return { difference, verdict: "tooFew" };
  if (difference.low > 0) return { difference, verdict: "helped" };
  return { difference, verdict: difference.high < 0 ? "hurt" : "noDifference" };
}
