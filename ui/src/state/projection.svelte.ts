// What the Projection screen knows: reports of both projections, asked again when model, labels, photos or edits change.
import type { Backend } from "../ipc/backend";
import type { CollectionReport, Comparison, CompareWith, Direction, EngineStatus, MatrixSource, ProjectionReport, Side, WorkbenchEvent } from "../ipc/bindings";
import { Asked } from "./asked.svelte";

/** Photos come in many batches; figures follow when it has been quiet so long, */
const QUIET_MS = 350;
/** or at the latest after this. */
const PATIENCE_MS = 3000;

export type ProjectionTab = "edits" | "spectrum" | "matrix" | "meaning" | "planes" | "compare" | "tune";

export class Projection {
  readonly report = new Asked<ProjectionReport>();
  readonly collection = new Asked<CollectionReport>();
  readonly comparison = new Asked<Comparison>();
  tab: ProjectionTab | null = $state(null);
  /** Which projection the tabs are about, where they are about one. */
  side: Side = $state("image");
  direction: Direction = $state.raw({ kind: "effectiveBias", side: "image" });
  source: MatrixSource | null = $state.raw(null);
  comparedWith: CompareWith | null = $state.raw(null);
  /** The `revision` that the comparison was made at. */
  comparedAt = $state(0);
  /** Whether the search among tensors is to take the keyboard. */
  wantsSearch = $state(false);
  /** Rises when the answers on the screen are of before. */
  revision = $state(0);
  /** Rises when the model or its heads are others than before: what is about weights alone, or inside the tower, follows this. */
  headsRevision = $state(0);

  #isShown = false;
  #isOutdated = true;
  #areHeadsOutdated = false;
  #edits = "";
  #quiet: ReturnType<typeof setTimeout> | undefined;
  #waitsSince = 0;
  #model = "";

  constructor(readonly backend: Backend) {}

  /** The screen is there: brings the figures up to date. Returns what to call when it goes. */
  show(): () => void {
    this.#isShown = true;
    if (this.#isOutdated) this.#update();
    return () => {
      this.#isShown = false;
    };
  }

  /** Asks for everything again, such as after a failure. */
  refresh(): void {
    this.#areHeadsOutdated = true;
    this.#update();
  }

  #update(): void {
    clearTimeout(this.#quiet);
    this.#quiet = undefined;
    if (this.#model === "") return;
    if (this.#areHeadsOutdated) this.headsRevision += 1;
    this.#areHeadsOutdated = false;
    if (!this.#isShown) return;
    this.#isOutdated = false;
    this.revision += 1;
    void this.report.ask(() => this.backend.projectionReport());
    void this.collection.ask(() => this.backend.collectionReport());
  }

  compare(other: CompareWith): void {
    this.comparedWith = other;
    this.comparedAt = this.revision;
    this.comparison.clear();
    void this.comparison.ask(() => this.backend.compare(other));
  }

  apply(event: WorkbenchEvent): void {
    switch (event.kind) {
      case "engine":
        return this.#useEngine(event.engine);
      case "labChanged":
        return this.#useEdits(JSON.stringify(event.lab.edits));
      case "labels":
      case "photosScored":
      case "photosRemoved":
        return this.#outdate(false);
    }
  }

  /** The lab also tells of names and classes, which change no figure. */
  #useEdits(edits: string): void {
    if (edits === this.#edits) return;
    this.#edits = edits;
    this.#outdate(true);
  }

  /** Figures of the model before stay, dimmed, until the new ones are here; what was picked in it means nothing in the next. */
  #useEngine({ state, model, device }: EngineStatus): void {
    if (state !== "ready" || !model) return;
    const now = JSON.stringify([model.name, model.path, device?.active.id]);
    if (now === this.#model) return;
    const isFirst = this.#model === "";
    this.#model = now;
    if (!isFirst) {
      this.source = null;
      this.direction = { kind: "effectiveBias", side: "image" };
      this.comparedWith = null;
      this.comparison.clear();
    }
    this.#outdate(true);
  }

  #outdate(withHeads: boolean): void {
    this.#isOutdated = true;
    if (withHeads) this.#areHeadsOutdated = true;
    if (!this.#isShown && !withHeads) return;
    const now = performance.now();
    if (this.#quiet === undefined) this.#waitsSince = now;
    clearTimeout(this.#quiet);
    const left = this.#waitsSince + PATIENCE_MS - now;
    this.#quiet = setTimeout(() => this.#update(), Math.max(0, Math.min(QUIET_MS, left)));
  }
}
