// Looking inside the tower for one photo: what is asked, and the answer.
import type { Ask, ExplainAbilities, Explanation, Unavailable } from "../ipc/bindings";
import { Asked } from "./asked.svelte";
import type { Workspace } from "./workspace.svelte";

export const LOOKS = ["map", "attention", "depth", "parts"] as const;
export type Look = (typeof LOOKS)[number];

/** How many of a photo's labels the lens follows. */
const LENS_LABELS = 5;

export class Inside {
  look: Look = $state("map");
  /** The label that maps and effects are about; the photo's best until one is chosen. */
  chosenLabel: string | null = $state(null);
  byValues = $state(false);
  layer = $state(-1);
  head: number | null = $state(null);
  from: number | null = $state(null);
  ofPool = $state(false);
  opacity = $state(0.65);

  readonly abilities = new Asked<ExplainAbilities>();
  readonly answer = new Asked<{ id: number; ask: Ask; explanation: Explanation }>();
  #app: Workspace;
  #best: () => readonly string[];

  constructor(app: Workspace, id: () => number, isOpen: () => boolean, best: () => readonly string[]) {
    this.#app = app;
    this.#best = best;
    $effect(() => {
      void app.projection.headsRevision;
      if (isOpen()) void this.abilities.ask(() => app.backend.explainAbilities());
    });
    $effect(() => {
      void app.projection.headsRevision;
      const [photo, ask] = [id(), this.ask];
      if (!isOpen() || !ask) return;
      void this.answer.ask(async () => ({ id: photo, ask, explanation: (await app.backend.explain(photo, ask)).explanation }));
    });
  }

  /** Another model sees other places, and its blocks are others. */
  layers = $derived.by(() => this.abilities.value?.layers ?? 0);
  block = $derived.by(() => (this.layer < 0 || this.layer >= this.layers ? this.layers - 1 : this.layer));
  label = $derived.by(() => {
    const { labels } = this.#app.labels.value;
    return this.chosenLabel !== null && labels.includes(this.chosenLabel) ? this.chosenLabel : (this.#best()[0] ?? labels[0] ?? null);
  });
  usesPool = $derived.by(() => {
    const can = this.abilities.value;
    return can !== null && can.poolAttention === null && (this.ofPool || can.attention !== null);
  });
  usesValues = $derived.by(() => {
    const can = this.abilities.value;
    return can !== null && can.valueMap === null && (this.byValues || can.patchMap !== null);
  });

  /** Why the chosen look has nothing to show with this model. */
  reason: Unavailable | null = $derived.by(() => {
    const can = this.abilities.value;
    if (!can) return null;
    if (this.look === "map") return this.usesValues ? null : can.patchMap;
    if (this.look === "attention") return this.usesPool ? null : can.attention;
    return this.look === "depth" ? can.lens : can.directEffects;
  });

  /** One string for one question, so that answers that changed nothing do not lead to asking again. */
  #question = $derived.by(() => JSON.stringify(this.#asked()));
  ask: Ask | null = $derived.by(() => JSON.parse(this.#question) as Ask | null);

  #asked(): Ask | null {
    const can = this.abilities.value;
    if (!can || this.reason !== null) return null;
    if (this.look === "attention") {
      const head = this.head !== null && this.head < (this.usesPool ? can.poolHeads : can.heads) ? this.head : null;
      if (this.usesPool) return { kind: "poolAttention", head };
      const from = this.from !== null && this.from < can.grid[0] * can.grid[1] ? this.from : null;
      return { kind: "attention", layer: this.block, head, from };
    }
    if (this.look === "depth") {
      const labels = [...new Set([...(this.chosenLabel ? [this.chosenLabel] : []), ...this.#best()])].slice(0, LENS_LABELS);
      return labels.length > 0 ? { kind: "lens", labels } : null;
    }
    if (this.label === null) return null;
    if (this.look === "parts") return { kind: "directEffects", label: this.label };
    return { kind: this.usesValues ? "valueMap" : "patchMap", label: this.label };
  }
}
