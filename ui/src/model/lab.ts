// The stack of edits as plain data: how an edit begins, what its strength may be, and what the stack comes to.
import type { BiasDirection, Edit, EditKind, FlipArithmetic, LabState, RankKeep, Side } from "../ipc/bindings";

export const NO_LAB: LabState = { name: null, edits: [], problems: [], canUndo: false, canRedo: false, saved: [], replacements: [], classes: [] };

export interface StrengthRange {
  least: number;
  most: number;
  step: number;
}

/** Taking out goes on past all of it, to the other side; a cut and a whitening do not. Replacing has no strength. */
const RANGES: Record<EditKind["kind"], StrengthRange | null> = {
  removeEffectiveBias: { least: 0, most: 2, step: 0.01 },
  dropBias: { least: 0, most: 2, step: 0.01 },
  addBias: { least: -2, most: 2, step: 0.01 },
  centre: { least: 0, most: 2, step: 0.01 },
  whiten: { least: 0, most: 1, step: 0.01 },
  rankCut: { least: 0, most: 1, step: 0.01 },
  gapShift: { least: 0, most: 2, step: 0.01 },
  replace: null,
};

/** What an edit computes, as it is said in the engine. y is the vector in the joint space before it is made one long. */
const FORMULAS: Record<Exclude<EditKind["kind"], "rankCut">, string> = {
  removeEffectiveBias: "y ← y − s·b_eff,  b_eff = Wβ + b",
  dropBias: "y ← y − s·b",
  addBias: "y ← y + s·mean‖y‖·d,  ‖d‖ = 1",
  centre: "y ← y − s·mean(y)",
  whiten: "y ← y + s·(C^(−1/2)·(y − mean(y)) − y),  C = cov(y)",
  gapShift: "y_image ← y − s/2·mean‖y‖·g,  y_text ← y + s/2·mean‖y‖·g,  g = μ_image − μ_text",
  replace: "W, b ← W′, b′",
};

const CUT_FORMULAS: Record<RankKeep["kind"], string> = {
  top: "W ← W + s·(Σ_{i ≤ k} σᵢuᵢvᵢᵀ − W)",
  bottom: "W ← W + s·(Σ_{i > r − k} σᵢuᵢvᵢᵀ − W)",
  band: "W ← W + s·(W·U·Uᵀ − W),  Ψ = W_imageᵀ·W_text = U·Σ·Vᵀ without its ends",
};

const FIRST_BIAS = 0.3;

export function strengthRange(what: EditKind): StrengthRange | null {
  return RANGES[what.kind];
}

export function formulaOf(what: EditKind): string {
  return what.kind === "rankCut" ? CUT_FORMULAS[what.keep.kind] : FORMULAS[what.kind];
}

/** Null for what acts on both. */
export function sideOf(what: EditKind): Side | null {
  return "side" in what ? what.side : null;
}

/** On top of the stack, with all of its effect; a direction, which has no natural length, begins gently. */
export function withNew(edits: readonly Edit[], what: EditKind): Edit[] {
  const id = 1 + Math.max(0, ...edits.map((edit) => edit.id));
  return [...edits, { id, enabled: true, strength: what.kind === "addBias" ? FIRST_BIAS : 1, what }];
}

export function withChange(edits: readonly Edit[], id: number, change: Partial<Omit<Edit, "id">>): Edit[] {
  return edits.map((edit) => (edit.id === id ? { ...edit, ...change } : edit));
}

export function without(edits: readonly Edit[], id: number): Edit[] {
  return edits.filter((edit) => edit.id !== id);
}

/** The edit at `from` goes to `to`; places outside the stack are its ends. */
export function moved(edits: readonly Edit[], from: number, to: number): Edit[] {
  const rest = edits.filter((_, index) => index !== from);
  const edit = edits[from];
  if (edit) rest.splice(Math.max(0, Math.min(rest.length, to)), 0, edit);
  return rest;
}

/** The edits that act: switched on, not of strength zero, and able to. */
export function inForce({ edits, problems }: Pick<LabState, "edits" | "problems">): Edit[] {
  const stuck = new Set(problems.map((problem) => problem.id));
  return edits.filter((edit) => edit.enabled && !stuck.has(edit.id) && (edit.what.kind === "replace" || edit.strength !== 0));
}

/** What a direction still lacks before it points anywhere. */
export function lacks(what: EditKind): "labels" | "photos" | null {
  if (what.kind !== "addBias") return null;
  const { along } = what;
  if (along.kind !== "labels" && along.kind !== "photos") return null;
  return along.plus.length + along.minus.length === 0 ? along.kind : null;
}

/** A label or photo stands on one side of a direction, on the other, or on none. */
export function pointed<Item extends string | number>(plus: readonly Item[], minus: readonly Item[], item: Item, to: 1 | 0 | -1): { plus: Item[]; minus: Item[] } {
  const rest = (items: readonly Item[]) => items.filter((other) => other !== item);
  return { plus: to > 0 ? [...rest(plus), item] : rest(plus), minus: to < 0 ? [...rest(minus), item] : rest(minus) };
}

export function ofLabels(plus: string[], minus: string[]): BiasDirection {
  return { kind: "labels", plus, minus };
}

/**
 * Whether a pair of labels changes places: exactly if the shift has the other sign than the lead and is larger
 * (the norm is common to both labels, so it decides nothing).
 */
export function flips({ lead, shift }: Pick<FlipArithmetic, "lead" | "shift">): boolean {
  return lead * shift < 0 && Math.abs(shift) > Math.abs(lead);
}

/** The last part of a path of either separator; a plain name as it is. */
export function fileName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}
