// A good first edit for a model: the one that shows most of what a bias does.
import type { EditKind, ModelInfo, ProjectionInfo } from "../../ipc/bindings";

/** Whether a projection adds something to every vector: an MLP has no fixed shift. */
function hasShift({ kind, bias, affineBefore }: ProjectionInfo): boolean {
  return kind !== "mlp" && (bias || affineBefore !== null);
}

export function goodFirst(model: ModelInfo | null): EditKind | null {
  if (!model) return null;
  if (hasShift(model.imageProjection)) return { kind: "removeEffectiveBias", side: "image" };
  if (hasShift(model.textProjection)) return { kind: "removeEffectiveBias", side: "text" };
  return { kind: "centre", side: "image" };
}
