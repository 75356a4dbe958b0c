// A made-up shell for `npm run dev` in a plain browser: seeded photos, delays, progress and some failures.
// `?photos=10000` starts with so many; `?failed=device` or `?failed=model` shows a device that fell back, or no model.
// `fakeModels.ts` says what `?models=` shows.
import type { Backend, DragState } from "./backend";
import type {
  AblationOptions, AblationReport, Ask, CollectionReport, CompareWith, Comparison, DeviceInfo, Direction, Edit, EngineStatus, ExplainAbilities,
  Explained, Exported, ExportForm, ExportPlan, FlipArithmetic, LabEffect, LabelSettings, LabState, MatrixFacts, MatrixSource, Meaning, ModelList,
  PhotoDetails, PhotoFacts, PhotoStub, PriorRow, Problem, Progress, ProjectionReport, SideBySide, Snapshot, TensorRow, Tile, TuneOptions, TuneReport,
  VerifyReport, WorkbenchEvent,
} from "./bindings";
import { DEVICES, failureAt, LABEL_SETS, MODEL, TEMPLATE_SETS } from "./fakeData";
import { FakeLab } from "./fakeLab";
import { FakeModels, wait } from "./fakeModels";
import { drawn, pictureOf } from "./fakePictures";
import { FakeProjection } from "./fakeProjection";

const BEAT_MS = 120;
const LOADING_MS = 500;
const SWITCHING_MS = 1600;
const FOLDER = "/home/ada/Pictures/2024 Summer";
const NO_ADAPTER: Problem = { code: "device", params: { device: "NVIDIA GeForce RTX 3060", cause: "the self-test gave other numbers than the CPU" }, message: "self-test failed" };
const NO_WEIGHTS: Problem = { code: "modelTensors", params: { path: "/models/vit-b-32", cause: "visual.proj is missing" }, message: "tensor visual.proj is missing" };

export class FakeBackend implements Backend {
  #send: (event: WorkbenchEvent) => void = () => undefined;
  #photos = new Map<number, PhotoStub>();
  #queue: number[] = [];
  #failed = new Set<number>();
  #labelled = new Set<number>();
  #nextId = 1;
  #timer: ReturnType<typeof setInterval> | undefined;
  #done = 0;
  #total = 0;
  #startedAt = 0;
  #version = 1;
  #settings: LabelSettings = { labels: [...(LABEL_SETS[0]?.labels ?? [])], templates: ["a photo of a {}"], topK: 5, threshold: MODEL.defaultThreshold };
  #engine: EngineStatus;
  #perBeat: number;
  #models: FakeModels;
  #lab: FakeLab;
  #projection: FakeProjection;

  constructor(readonly query: URLSearchParams) {
    const failed = query.get("failed");
    const [cpu] = DEVICES as [DeviceInfo];
    this.#engine = {
      state: failed === "model" ? "failed" : "ready",
      model: failed === "model" ? null : MODEL,
      device: { chosen: "auto", active: cpu, agreement: null, fellBack: failed === "device" ? NO_ADAPTER : null },
      problem: failed === "model" ? NO_WEIGHTS : null,
    };
    this.#perBeat = Number(query.get("rate") ?? 86) * (BEAT_MS / 1000);
    this.#models = new FakeModels(query, (event) => this.#send(event));
    this.#lab = new FakeLab(query, (event) => this.#send(event), {
      photos: () => [...this.#labelled].flatMap((id) => this.#photos.get(id) ?? []),
      labels: () => this.#settings.labels,
      model: () => this.#engine.model,
      rescore: () => this.#score([...this.#labelled]),
    });
    this.#projection = new FakeProjection(query, {
      photos: () => [...this.#labelled].flatMap((id) => this.#photos.get(id) ?? []),
      labels: () => this.#settings.labels,
      isEdited: () => this.#lab.isEdited(),
    });
  }

  async attach(onEvent: (event: WorkbenchEvent) => void): Promise<Snapshot> {
    this.#send = onEvent;
    const wished = Number(this.query.get("photos") ?? 0);
    setTimeout(() => {
      this.#send({ kind: "engine", engine: this.#engine });
      if (wished > 0) this.#add(wished);
    }, LOADING_MS);
    return {
      photos: [],
      progress: this.#progress("idle"),
      engine: { state: "loading", model: null, device: null, problem: null },
      labels: this.#settings,
      labelsVersion: this.#version,
      labelSets: LABEL_SETS,
      templateSets: TEMPLATE_SETS,
      samplesAvailable: true,
    };
  }

  async addPaths(paths: string[]): Promise<void> {
    this.#add(paths.length, paths);
  }

  async chooseFiles(): Promise<boolean> {
    this.#add(6);
    return true;
  }

  async chooseFolder(): Promise<boolean> {
    this.#add(60);
    return true;
  }

  async addSamples(): Promise<void> {
    this.#add(12);
  }

  async paste(): Promise<void> {
    const problem: Problem = { code: "clipboardEmpty", params: {}, message: "the clipboard holds no picture, file or path" };
    throw problem;
  }

  async cancel(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#queue = [];
    this.#send({ kind: "progress", progress: this.#progress("cancelled") });
  }

  async retry(ids: number[]): Promise<void> {
    for (const id of ids) this.#failed.delete(id);
    this.#enqueue(ids);
  }

  async remove(ids: number[]): Promise<void> {
    for (const id of ids) {
      this.#photos.delete(id);
      this.#labelled.delete(id);
    }
    this.#queue = this.#queue.filter((id) => this.#photos.has(id));
    this.#send({ kind: "photosRemoved", ids });
  }

  async setLabels(settings: LabelSettings): Promise<void> {
    this.#settings = settings;
    this.#version += 1;
    const problems = settings.labels.flatMap((label, index) =>
      label.includes("☓") ? [{ index, label, problem: { code: "badLabel", params: { cause: "empty" }, message: "empty label" } as Problem }] : [],
    );
    this.#send({ kind: "labels", labels: settings, labelsVersion: this.#version, problems });
    setTimeout(() => this.#score([...this.#labelled]), 40);
  }

  async loadLabelFile(): Promise<string[] | null> {
    return ["lighthouse", "waterfall", "market stall", "bridge", "castle"];
  }

  async details(id: number): Promise<PhotoDetails> {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const stub = this.#photos.get(id) ?? { id, name: "", path: "" };
    const problem = this.#failed.has(id) ? (failureAt(id)?.problem ?? null) : null;
    return { ...stub, facts: problem ? null : factsOf(id), scores: this.#labelled.has(id) ? this.#lab.scores(id, this.#settings.labels) : [], problem };
  }

  async devices(): Promise<DeviceInfo[]> {
    return DEVICES;
  }

  async chooseDevice(id: string): Promise<void> {
    const active = DEVICES.find((device) => device.id === (id === "auto" ? "gpu:0" : id)) ?? DEVICES[0];
    if (!active) return;
    this.#tellEngine({ device: { chosen: id, active, agreement: null, fellBack: null } });
    this.#enqueue([...this.#labelled], true);
  }

  async chooseModelFolder(): Promise<boolean> {
    throw NO_WEIGHTS;
  }

  useEmbeddedModel(): Promise<void> {
    return this.chooseModel(MODEL.name);
  }

  models(): Promise<ModelList> {
    return this.#models.list();
  }

  async chooseModel(name: string): Promise<void> {
    this.#tellEngine({ state: "loading", problem: null });
    await wait(SWITCHING_MS);
    if (this.query.get("models") === "broken" && name !== MODEL.name) {
      this.#tellEngine({ state: "ready", problem: NO_WEIGHTS });
      throw NO_WEIGHTS;
    }
    this.#models.use(name);
    this.#tellEngine({ state: "ready", model: this.#models.infoOf(name), problem: null });
    this.#enqueue([...this.#labelled], true);
  }

  pullModel(name: string): Promise<void> {
    return this.#models.pull(name);
  }

  pauseTransfer(name: string): Promise<void> {
    return this.#models.pause(name);
  }

  cancelTransfer(name: string): Promise<void> {
    return this.#models.cancel(name);
  }

  importModel(inPlace: boolean): Promise<string | null> {
    return this.#models.import(inPlace);
  }

  removeModel(name: string): Promise<void> {
    return this.#models.remove(name);
  }

  verifyModel(name: string): Promise<VerifyReport> {
    return this.#models.verify(name);
  }

  cancelVerify(name: string): Promise<void> {
    return this.#models.cancelVerify(name);
  }

  projectionReport(): Promise<ProjectionReport> {
    return this.#projection.report();
  }

  collectionReport(): Promise<CollectionReport> {
    return this.#projection.collection();
  }

  meaning(direction: Direction): Promise<Meaning> {
    return this.#projection.meaning(direction);
  }

  classPrior(): Promise<PriorRow[]> {
    return this.#projection.prior();
  }

  tensors(): Promise<TensorRow[]> {
    return this.#projection.tensors();
  }

  openMatrix(source: MatrixSource): Promise<MatrixFacts> {
    return this.#projection.open(source);
  }

  tile(tile: Tile): Promise<Float32Array> {
    return this.#projection.tile(tile);
  }

  compare(other: CompareWith): Promise<Comparison> {
    return this.#projection.compare(other);
  }

  explainAbilities(): Promise<ExplainAbilities> {
    return this.#projection.abilities();
  }

  explain(id: number, ask: Ask): Promise<Explained> {
    return this.#projection.explain(id, ask);
  }

  async revealModel(_name: string): Promise<void> {
    await Promise.resolve();
  }

  setHubEndpoint(endpoint: string | null): Promise<void> {
    return this.#models.setHub(endpoint);
  }

  async lab(): Promise<LabState> {
    return this.#lab.state();
  }

  labEffect(): Promise<LabEffect> {
    return this.#lab.effect();
  }

  setEdits(edits: Edit[]): Promise<LabEffect> {
    return this.#lab.setEdits(edits);
  }

  undoEdit(): Promise<LabEffect> {
    return this.#lab.undo();
  }

  redoEdit(): Promise<LabEffect> {
    return this.#lab.redo();
  }

  saveEdits(name: string): Promise<void> {
    return this.#lab.save(name);
  }

  loadEdits(name: string): Promise<LabEffect> {
    return this.#lab.load(name);
  }

  forgetEdits(name: string): Promise<void> {
    return this.#lab.forget(name);
  }

  async flipArithmetic(id: number): Promise<FlipArithmetic> {
    return this.#lab.arithmetic(id);
  }

  async searchSideBySide(query: string, top: number): Promise<SideBySide> {
    return this.#lab.search(query, top);
  }

  chooseVectorFile(): Promise<string | null> {
    return this.#lab.chooseVector();
  }

  chooseHeadFile(): Promise<string | null> {
    return this.#lab.chooseHead();
  }

  tune(options: TuneOptions): Promise<TuneReport> {
    return this.#lab.tune(options);
  }

  ablation(options: AblationOptions): Promise<AblationReport> {
    return this.#lab.ablation(options);
  }

  cancelTune(): Promise<void> {
    return this.#lab.cancelTune();
  }

  async saveAblation(format: "markdown" | "html"): Promise<string | null> {
    return `/home/ada/ablation.${format === "html" ? "html" : "md"}`;
  }

  async exportPlan(): Promise<ExportPlan> {
    return this.#lab.plan();
  }

  exportHeads(form: ExportForm): Promise<Exported | null> {
    return this.#lab.export(form);
  }

  async saveFile(name: string, _content: Uint8Array): Promise<string | null> {
    return `/home/ada/${name}`;
  }

  async modelCard(): Promise<string> {
    return "# Model card\n\nA made-up card for the browser.\n\n## Limits\n\n- **Not CLIP.** It saw few pictures.\n- English only.\n\n| threshold | precision | recall |\n|---|---|---|\n| 0.3 | 0.612 | 0.551 |\n\n    open_clip.get_tokenizer(\"local-dir:.\")\n";
  }

  async reveal(_id: number): Promise<void> {
    await Promise.resolve();
  }

  async copyText(text: string): Promise<void> {
    await navigator.clipboard.writeText(text);
  }

  thumbnailUrl(id: number): string {
    return drawn(id, 320);
  }

  pictureUrl(id: number): string {
    return drawn(id, 2048);
  }

  async onDrag(listener: (state: DragState) => void): Promise<() => void> {
    const enter = (event: DragEvent) => {
      event.preventDefault();
      listener({ kind: "over" });
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) listener({ kind: "leave" });
    };
    const drop = (event: DragEvent) => {
      event.preventDefault();
      listener({ kind: "drop" });
      this.#add(Math.max(1, event.dataTransfer?.files.length ?? 1));
    };
    window.addEventListener("dragover", enter);
    window.addEventListener("dragleave", leave);
    window.addEventListener("drop", drop);
    return () => {
      window.removeEventListener("dragover", enter);
      window.removeEventListener("dragleave", leave);
      window.removeEventListener("drop", drop);
    };
  }

  #add(count: number, paths: string[] = []): void {
    const photos = Array.from({ length: count }, (_, offset): PhotoStub => {
      const id = this.#nextId++;
      const name = paths[offset]?.split("/").at(-1) ?? failureAt(id)?.name ?? `DSC_${String(4000 + id).padStart(5, "0")}.jpg`;
      return { id, name, path: paths[offset] ?? `${this.#folderOf(id)}/${name}` };
    });
    for (const photo of photos) this.#photos.set(photo.id, photo);
    this.#send({ kind: "photosAdded", photos });
    this.#enqueue(photos.map((photo) => photo.id));
  }

  /** Folders named after what is on their photos, which makes classes of them. */
  #folderOf(id: number): string {
    return this.query.get("classes") === "none" ? FOLDER : `${FOLDER}/${pictureOf(id).scene}`;
  }

  #tellEngine(change: Partial<EngineStatus>): void {
    this.#engine = { ...this.#engine, ...change };
    this.#send({ kind: "engine", engine: this.#engine });
  }

  /** `anew`: for another model, which begins to count again. */
  #enqueue(ids: number[], anew = false): void {
    if (anew) {
      const again = new Set(ids);
      this.#queue = this.#queue.filter((id) => !again.has(id));
      this.#done = this.#total = 0;
      this.#total = this.#queue.length;
      this.#startedAt = performance.now();
    }
    if (ids.length === 0) return;
    if (this.#timer === undefined) {
      this.#startedAt = performance.now();
      this.#done = this.#total = 0;
      this.#timer = setInterval(() => this.#beat(), BEAT_MS);
    }
    this.#queue.push(...ids);
    this.#total += ids.length;
    this.#send({ kind: "progress", progress: this.#progress("working") });
  }

  /** One batch: decoded now, scored a moment later. */
  #beat(): void {
    const batch = this.#queue.splice(0, Math.max(1, Math.round(this.#perBeat)));
    const good = batch.filter((id) => failureAt(id) === null);
    for (const id of batch) this.#fail(id);
    this.#send({ kind: "photosDecoded", photos: good.map((id) => ({ id, ...sizeOf(id) })) });
    setTimeout(() => this.#score(good), BEAT_MS * 1.5);
    this.#done += batch.length;
    const isOver = this.#queue.length === 0;
    if (isOver) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      setTimeout(() => this.#lab.tell(), BEAT_MS * 2);
    }
    this.#send({ kind: "progress", progress: this.#progress(isOver ? "idle" : "working") });
  }

  #fail(id: number): void {
    const failure = failureAt(id);
    const stub = this.#photos.get(id);
    if (!failure || !stub) return;
    this.#failed.add(id);
    this.#send({ kind: "photosFailed", failures: [{ ...stub, problem: failure.problem }] });
  }

  #score(ids: number[]): void {
    const present = ids.filter((id) => this.#photos.has(id));
    for (const id of present) this.#labelled.add(id);
    this.#send({ kind: "photosScored", labelsVersion: this.#version, photos: present.map((id) => this.#lab.best(id, this.#settings.labels)) });
  }

  #progress(phase: Progress["phase"]): Progress {
    const secs = (performance.now() - this.#startedAt) / 1000;
    const rate = this.#done > 0 && secs > 0 ? this.#done / secs : null;
    return {
      phase, done: this.#done, total: this.#total, failed: this.#failed.size,
      ratePerSec: phase === "working" ? rate : null,
      secsLeft: phase === "working" && rate !== null ? (this.#total - this.#done) / rate : null,
    };
  }
}

function sizeOf(id: number): { width: number; height: number } {
  const { width, height } = pictureOf(id);
  return { width, height };
}

function factsOf(id: number): PhotoFacts {
  return {
    ...sizeOf(id), format: "JPEG", bytes: 3_200_000 + id * 7351, modifiedMs: 1_719_990_000_000 + id * 61_000, takenMs: 1_719_900_000_000 + id * 60_000,
    camera: "FUJIFILM X-T4", colour: "rgb", bits: 8, alpha: false, orientation: id % 5 === 0 ? 6 : 1,
  };
}
