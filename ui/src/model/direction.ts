// Directions of the joint space that there are: edits, other labels and other models take some away.
import type { Direction, ProjectionReport, Side } from "../ipc/bindings";

export interface AtHand {
  report: ProjectionReport;
  labels: readonly string[];
  hasGap: boolean;
}

/** Singular directions of a head in the joint space; an MLP is no single map and has none. */
export function singularDirections(report: ProjectionReport, side: Side): number {
  const { maps } = report[side];
  return maps.length === 1 ? (maps[0]?.figures.singularValues.length ?? 0) : 0;
}

export function hasBias(report: ProjectionReport, side: Side): boolean {
  return (report[side].effectiveBias?.norm ?? 0) > 0;
}

/** How many directions of this kind there are. */
export function countOf(direction: Direction, { report, labels, hasGap }: AtHand): number {
  switch (direction.kind) {
    case "singular":
      return singularDirections(report, direction.side);
    case "effectiveBias":
      return hasBias(report, direction.side) ? 1 : 0;
    case "dimension":
      return report.joint.dim;
    case "gap":
      return hasGap ? 1 : 0;
    case "label":
      return labels.length;
  }
}

/** The direction that is wished for, or the nearest to it that there is. */
export function possible(wished: Direction, atHand: AtHand): Direction {
  const count = countOf(wished, atHand);
  if (count === 0) return first(atHand);
  if (wished.kind === "singular" || wished.kind === "dimension") return { ...wished, index: Math.min(count - 1, Math.max(0, wished.index)) };
  if (wished.kind === "label" && !atHand.labels.includes(wished.label)) return { kind: "label", label: atHand.labels[0] ?? "" };
  return wished;
}

function first({ report }: AtHand): Direction {
  const sides: Side[] = ["image", "text"];
  const biased = sides.find((side) => hasBias(report, side));
  if (biased) return { kind: "effectiveBias", side: biased };
  const linear = sides.find((side) => singularDirections(report, side) > 0);
  return linear ? { kind: "singular", side: linear, index: 0 } : { kind: "dimension", index: 0 };
}
