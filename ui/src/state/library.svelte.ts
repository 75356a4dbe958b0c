// The photos, the model and the labels as the shell last told them. Only events change it.
import type { Backend } from "../ipc/backend";
import type {
  EngineStatus, Failure, LabelProblem, LabelSet, LabelSettings, Problem, Progress, Snapshot, TemplateSet, WorkbenchEvent,
} from "../ipc/bindings";
import type { Photo } from "../model/photo";
import { PhotoTable } from "../model/photoTable";
import { problemFrom } from "../model/problems";

/** With thousands of photos every redraw costs some milliseconds; this often is enough to look live. */
const PUBLISH_EVERY_MS = 120;
const IDLE: Progress = { phase: "idle", done: 0, total: 0, failed: 0, ratePerSec: null, secsLeft: null };

export class Library {
  photos: readonly Photo[] = $state.raw([]);
  failures: readonly Failure[] = $state.raw([]);
  progress: Progress = $state.raw(IDLE);
  engine: EngineStatus = $state.raw({ state: "loading", model: null, device: null, problem: null });
  labels: LabelSettings = $state.raw({ labels: [], templates: [], topK: 5, threshold: 0 });
  labelProblems: readonly LabelProblem[] = $state.raw([]);
  labelSets: readonly LabelSet[] = $state.raw([]);
  templateSets: readonly TemplateSet[] = $state.raw([]);
  samplesAvailable = $state(false);
  isAttached = $state(false);
  /** Photos that show results of the model before, until this one's are there. */
  outdated = $state(0);
  /** Rises whenever photos come, go or change. */
  revision = $state(0);

  #table = new PhotoTable();
  /** The last state with a model in it: what the photos' results are of. */
  #computed: EngineStatus | null = null;
  #lastPublished = 0;
  #pending: ReturnType<typeof setTimeout> | undefined;
  /** Events that come while the first snapshot is on its way. */
  #early: WorkbenchEvent[] | null = [];

  constructor(
    readonly backend: Backend,
    readonly onProblem: (problem: Problem) => void,
    /** Hears of every event, for the state that is kept elsewhere. */
    readonly onEvent: (event: WorkbenchEvent) => void = () => undefined,
  ) {}

  async attach(): Promise<void> {
    try {
      const snapshot = await this.backend.attach((event) => this.#receive(event));
      this.#restore(snapshot);
    } catch (reason) {
      this.onProblem(problemFrom(reason));
    }
  }

  get(id: number): Photo | undefined {
    return this.#table.get(id);
  }

  unfinished(): number[] {
    return this.#table.unfinished();
  }

  async retry(ids: readonly number[]): Promise<void> {
    this.#table.retried(ids);
    this.#publish();
    await this.backend.retry([...ids]);
  }

  #restore(snapshot: Snapshot): void {
    this.#table.useLabels(snapshot.labelsVersion, snapshot.labels.labels);
    this.#table.reset(snapshot.photos, snapshot.labelsVersion);
    this.progress = snapshot.progress;
    this.engine = snapshot.engine;
    this.#computed = computes(snapshot.engine) === null ? null : snapshot.engine;
    this.onEvent({ kind: "engine", engine: snapshot.engine });
    this.labels = snapshot.labels;
    this.labelSets = snapshot.labelSets;
    this.templateSets = snapshot.templateSets;
    this.samplesAvailable = snapshot.samplesAvailable;
    const early = this.#early ?? [];
    this.#early = null;
    for (const event of early) this.apply(event);
    this.#publish();
    this.isAttached = true;
  }

  #receive(event: WorkbenchEvent): void {
    if (this.#early) this.#early.push(event);
    else this.apply(event);
  }

  apply(event: WorkbenchEvent): void {
    this.onEvent(event);
    switch (event.kind) {
      case "photosAdded":
        this.#table.add(event.photos);
        return this.#publishSoon();
      case "photosDecoded":
        this.#table.decoded(event.photos);
        return this.#publishSoon();
      case "photosScored":
        this.#table.scored(event.labelsVersion, event.photos);
        return this.#publishSoon();
      case "photosFailed":
        this.#table.failed(event.failures);
        return this.#publishSoon();
      case "photosWaiting":
        this.#table.retried(event.ids);
        return this.#publish();
      case "photosRemoved":
        this.#table.removed(event.ids);
        return this.#publish();
      case "progress":
        this.progress = event.progress;
        return;
      case "engine":
        return this.#useEngine(event.engine);
      case "labels":
        this.#table.useLabels(event.labelsVersion, event.labels.labels);
        this.labels = event.labels;
        this.labelProblems = event.problems;
        return;
      case "problem":
        this.onProblem(event.problem);
    }
  }

  /** Results of another model or device stay on screen until the new ones come, but say what they are. */
  #useEngine(engine: EngineStatus): void {
    const [before, now] = [computes(this.#computed), computes(engine)];
    this.engine = engine;
    if (now === null) return;
    this.#computed = engine;
    if (before === null || before === now) return;
    this.#table.outdate();
    this.#publish();
  }

  /** At once when it has been quiet, so that a drop shows its frames immediately; else with the next beat. */
  #publishSoon(): void {
    if (this.#pending !== undefined) return;
    const wait = Math.max(0, this.#lastPublished + PUBLISH_EVERY_MS - performance.now());
    this.#pending = setTimeout(() => this.#publish(), wait);
  }

  #publish(): void {
    clearTimeout(this.#pending);
    this.#pending = undefined;
    this.#lastPublished = performance.now();
    this.photos = this.#table.photos();
    this.failures = this.#table.failures();
    this.outdated = this.#table.outdatedCount();
    this.revision += 1;
  }
}

/** What computes, as one word; null while nothing does. */
function computes(engine: EngineStatus | null): string | null {
  if (engine?.state !== "ready" || !engine.model || !engine.device) return null;
  return JSON.stringify([engine.model.name, engine.model.path, engine.device.active.id]);
}
