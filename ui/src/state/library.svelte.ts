// The library, the model and the labels as the shell last told them, and what was asked about single photos. Only events change it.
import { SvelteMap } from "svelte/reactivity";
import type { Backend } from "../ipc/backend";
import type {
  EngineStatus, Failure, LabelProblem, LabelSet, LabelSettings, LibraryState, Problem, Progress, Snapshot, TemplateSet, WorkbenchEvent,
} from "../ipc/bindings";
import { hasTakenOver } from "../model/devices";
import type { Photo } from "../model/photo";
import { PhotoTable } from "../model/photoTable";
import { problemFrom } from "../model/problems";

const IDLE: Progress = { phase: "idle", done: 0, total: 0, failed: 0, ratePerSec: null, secsLeft: null };
export const NO_LABELS: LabelSettings = { labels: [], templates: [], topK: 5, threshold: 0, prompts: {}, set: null };

/** Cells that come into sight in one frame are asked for together. */
const JOIN_MS = 16;
const AT_ONCE = 200;
const REQUESTS = 2;
/** Of what scrolled by faster than it was answered, the oldest is not asked for any more; it is asked for when it is seen again. */
const WAITING_MOST = 3000;

export class Library {
  /** Photos there are. */
  total = $state(0);
  failures: readonly Failure[] = $state.raw([]);
  /** The library in figures; null where photos are only on the table. */
  facts: LibraryState | null = $state.raw(null);
  progress: Progress = $state.raw(IDLE);
  engine: EngineStatus = $state.raw({ state: "loading", model: null, device: null, problem: null });
  labels: LabelSettings = $state.raw(NO_LABELS);
  labelProblems: readonly LabelProblem[] = $state.raw([]);
  labelSets: readonly LabelSet[] = $state.raw([]);
  templateSets: readonly TemplateSet[] = $state.raw([]);
  samplesAvailable = $state(false);
  isAttached = $state(false);
  /** Photos that show results of the model before, until this one's are there. */
  outdated = $state(0);

  #table = new PhotoTable(new SvelteMap<number, Photo>());
  #failures = new Map<number, Failure>();
  /** Rises when records that are shown have to be asked for again. */
  #asksAgain = $state(0);
  #wanted = new Set<number>();
  #inFlight = new Set<Set<number>>();
  /** Ids that the shell knows nothing of. */
  #absent = new Set<number>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The last state with a model in it: what the photos' results are of. */
  #computed: EngineStatus | null = null;
  /** Whether photos are being encoded for the model that came last. */
  #encodesAnew = false;
  /** Events that come while the first snapshot is on its way. */
  #early: WorkbenchEvent[] | null = [];

  constructor(
    readonly backend: Backend,
    readonly onProblem: (problem: Problem) => void,
    /** Hears of every event, for the state that is kept elsewhere. */
    readonly onEvent: (event: WorkbenchEvent) => void = () => undefined,
    /** Hears that there is something to ask for. */
    readonly onAttached: () => void = () => undefined,
  ) {}

  async attach(): Promise<void> {
    try {
      const snapshot = await this.backend.attach((event) => this.#receive(event));
      this.#restore(snapshot);
    } catch (reason) {
      this.onProblem(problemFrom(reason));
    }
  }

  /** What is known of a photo. What is not is asked for, and comes; what is of before is shown until the new one comes. */
  record(id: number): Photo | undefined {
    void this.#asksAgain;
    const photo = this.#table.get(id);
    if (this.#table.needs(id) && !this.#absent.has(id)) this.#want(id);
    return photo;
  }

  /** The name of a photo's file; empty until it is known. */
  name(id: number): string {
    return this.record(id)?.name ?? "";
  }

  /** Records of photos, asked for where they are not known; those that are gone are left out. */
  async recordsOf(ids: readonly number[]): Promise<Photo[]> {
    const unknown = ids.filter((id) => this.#table.needs(id));
    for (let from = 0; from < unknown.length; from += AT_ONCE) await this.#ask(unknown.slice(from, from + AT_ONCE));
    return ids.flatMap((id) => this.#table.get(id) ?? []);
  }

  async retry(ids: readonly number[]): Promise<void> {
    for (const id of ids) this.#failures.delete(id);
    this.#publishFailures();
    this.#table.waiting(ids);
    await this.backend.retry([...ids]);
  }

  #restore(snapshot: Snapshot): void {
    this.#table.useLabels(snapshot.labelsVersion, snapshot.labels.labels);
    this.#table.rescored(snapshot.labelsVersion);
    this.total = snapshot.photos;
    this.outdated = snapshot.outdated;
    this.facts = snapshot.library;
    for (const failure of snapshot.failures) this.#failures.set(failure.id, failure);
    this.#publishFailures();
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
    this.isAttached = true;
    this.onAttached();
  }

  #receive(event: WorkbenchEvent): void {
    if (this.#early) this.#early.push(event);
    else this.apply(event);
  }

  apply(event: WorkbenchEvent): void {
    this.#applyToPhotos(event);
    switch (event.kind) {
      case "libraryChanged":
        this.facts = event.library;
        break;
      case "progress":
        this.progress = event.progress;
        this.#noteProgress(event.progress);
        break;
      case "engine":
        this.#useEngine(event.engine);
        break;
      case "labels":
        this.#table.useLabels(event.labelsVersion, event.labels.labels);
        this.labels = event.labels;
        this.labelProblems = event.problems;
        break;
      case "problem":
        this.onProblem(event.problem);
    }
    this.onEvent(event);
  }

  #applyToPhotos(event: WorkbenchEvent): void {
    switch (event.kind) {
      case "photosAdded":
        this.total += event.photos.length;
        for (const { id } of event.photos) this.#absent.delete(id);
        return this.#table.add(event.photos);
      case "photosDecoded":
        this.#touch(event.photos);
        this.#succeeded(event.photos);
        return this.#table.decoded(event.photos);
      case "photosScored":
        this.#touch(event.photos);
        this.#succeeded(event.photos);
        this.outdated = Math.max(0, this.outdated - event.photos.length);
        return this.#table.scored(event.labelsVersion, event.photos);
      case "photosFailed":
        this.#touch(event.failures);
        for (const failure of event.failures) this.#failures.set(failure.id, failure);
        this.#publishFailures();
        return this.#table.failed(event.failures);
      case "photosWaiting":
        this.#succeeded(event.ids.map((id) => ({ id })));
        return this.#table.waiting(event.ids);
      case "photosRemoved":
        this.total = Math.max(0, this.total - event.ids.length);
        this.#succeeded(event.ids.map((id) => ({ id })));
        return this.#table.removed(event.ids);
      case "photosRescored":
        this.#table.rescored(event.labelsVersion);
        if (this.progress.phase === "idle") this.#settle();
        return this.#askAgain();
      case "photosChanged":
        return this.#changed(event.ids);
    }
  }

  /** No ids mean any. */
  #changed(ids: readonly number[]): void {
    if (ids.length === 0) {
      this.#absent.clear();
      for (const asked of this.#inFlight) asked.clear();
    }
    for (const id of ids) this.#absent.delete(id);
    this.#touch(ids.map((id) => ({ id })));
    this.#table.invalidate(ids.length === 0 ? undefined : ids);
    this.#askAgain();
  }

  /** Photos that did not fail after all, or are gone. */
  #succeeded(photos: readonly { id: number }[]): void {
    const before = this.#failures.size;
    if (before === 0) return;
    for (const { id } of photos) this.#failures.delete(id);
    if (this.#failures.size < before) this.#publishFailures();
  }

  #publishFailures(): void {
    this.failures = [...this.#failures.values()];
  }

  /** Results of another model or device stay on screen until the new ones come, but say what they are; those from before a GPU took over are as good. */
  #useEngine(engine: EngineStatus): void {
    const [before, now] = [computes(this.#computed), computes(engine)];
    const isHandover = this.engine.model?.name === engine.model?.name && hasTakenOver(this.engine.device, engine.device);
    this.engine = engine;
    if (now === null) return;
    this.#computed = engine;
    if (before === null || before === now || isHandover) return;
    this.#table.outdate();
    this.#encodesAnew = false;
    this.outdated = Math.max(0, this.total - this.#failures.size);
  }

  #noteProgress({ phase }: Progress): void {
    if (this.outdated === 0) return;
    if (phase === "working") this.#encodesAnew = true;
    else if (phase === "idle" && this.#encodesAnew) this.#settle();
  }

  #settle(): void {
    this.#encodesAnew = false;
    this.outdated = 0;
    this.#table.settled();
  }

  #want(id: number): void {
    for (const asked of this.#inFlight) if (asked.has(id)) return;
    this.#wanted.delete(id);
    this.#wanted.add(id);
    for (const oldest of this.#wanted) {
      if (this.#wanted.size <= WAITING_MOST) break;
      this.#wanted.delete(oldest);
    }
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#askWanted(), JOIN_MS);
  }

  /** What was wanted last comes first: it is most likely still in sight. */
  #askWanted(): void {
    this.#timer = undefined;
    while (this.#wanted.size > 0 && this.#inFlight.size < REQUESTS) {
      const ids = [...this.#wanted].slice(-AT_ONCE);
      for (const id of ids) this.#wanted.delete(id);
      void this.#ask(ids).then(() => this.#askWanted());
    }
  }

  async #ask(ids: readonly number[]): Promise<void> {
    const asked = new Set(ids);
    const version = this.#table.recordsVersion;
    this.#inFlight.add(asked);
    try {
      const records = await this.backend.photoRecords([...ids]);
      this.#table.put(records, version);
      const found = new Set(records.map((record) => record.id));
      for (const id of ids) if (!found.has(id)) this.#absent.add(id);
      // What an event has told of them meanwhile may be newer than the answer.
      const touched = version === this.#table.recordsVersion ? ids.filter((id) => !asked.has(id)) : ids;
      this.#table.invalidate(touched);
      this.#inFlight.delete(asked);
      if (touched.length > 0) this.#askAgain();
    } catch (reason) {
      this.#inFlight.delete(asked);
      this.onProblem(problemFrom(reason));
    }
  }

  /** Events about photos whose records are on the way: those are asked for once more. */
  #touch(photos: readonly { id: number }[]): void {
    for (const asked of this.#inFlight) for (const { id } of photos) asked.delete(id);
  }

  /** Whoever shows a record that is of before asks for it again. */
  #askAgain(): void {
    this.#asksAgain += 1;
  }
}

/** What computes, as one word; null while nothing does. */
function computes(engine: EngineStatus | null): string | null {
  if (engine?.state !== "ready" || !engine.model || !engine.device) return null;
  return JSON.stringify([engine.model.name, engine.model.path, engine.device.active.id]);
}
