// How a model is named and what is said of it.
import type { EngineStatus, ModelInfo, ProjectionInfo } from "../../ipc/bindings";
import * as format from "../../model/format";
import { currentLocale, t } from "../../state/i18n.svelte";

/** What the model at hand can and cannot do, for the empty screen. */
export function limitsInOneLine({ state, model }: EngineStatus): string {
  if (state === "failed") return t("engine.noModel");
  if (!model) return t("engine.loading");
  return model.embedded ? t("model.limits.line") : t("model.other.line", { name: model.name });
}

/** Where the projection's numbers are in the checkpoint: `visual.proj, after visual.ln_post`. */
export function projectionKey({ key, affineBefore }: ProjectionInfo): string {
  return affineBefore === null ? key : t("model.projection.after", { key, affine: affineBefore });
}

/** `linear · 768 → 512 · no bias`. */
export function projectionWords(projection: ProjectionInfo): string {
  const shape = t("model.projection.shape", { input: projection.inputDim, output: projection.outputDim });
  if (projection.kind === "identity") return [t("model.projection.identity"), shape].join(" · ");
  const kind = t(projection.kind === "linear" ? "model.projection.linear" : "model.projection.mlp");
  return [kind, shape, t(projection.bias ? "model.projection.bias" : "model.projection.noBias")].join(" · ");
}

export function sizeWords(bytes: number): string {
  return format.bytes(bytes, currentLocale());
}

/** What a model is called: the built-in one in the person's language, any other by its folder. */
export function modelName(model: ModelInfo): string {
  return model.embedded ? t("model.builtIn") : model.name;
}
