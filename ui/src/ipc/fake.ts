// A made-up shell for `npm run dev` in a plain browser: seeded photos, delays, progress and some failures.
// `?photos=400` imports so many; more than 20,000, or with `&import=none`, they are there from the start. `?table=1` is without a library.
// `?failed=model` shows no model; `?search=fails` lets every other list fail.
// `fakeModels.ts` says what `?models=` shows, `fakeDevices.ts` what `?device=`, and `fakeShelf.ts` what `?shelf=`.
import type { Backend, DragState, PhotoList } from "./backend";
import type {
  AblationOptions, AblationReport, Ask, CollectionReport, CompareWith, Comparison, DeviceInfo, Direction, Edit, EngineStatus, ExplainAbilities,
  Explained, Exported, ExportForm, ExportPlan, Failure, FilterMenu, FlipArithmetic, HitExplained, LabEffect, LabelSettings, LabelSetVersion, LabState,
  MatrixFacts, MatrixSource, Meaning, ModelList, PhotoDetails, PhotoQuery, PhotoRecord, PhotoStub, PhotoSummary, PriorRow, Problem, Progress,
  ProjectionReport, SavedLabelSet, SelfTest, SideBySide, Snapshot, SpeedSettings, TensorRow, Tile, TuneOptions, TuneReport, VerifyReport, WorkbenchEvent,
} from "./bindings";
import { failureAt, LABEL_SETS, MODEL, TEMPLATE_SETS } from "./fakeData";
import { FakeDevices } from "./fakeDevices";
import { FakeLab } from "./fakeLab";
import { FakeLabelSets } from "./fakeLabelSets";
import { FakeLibrary } from "./fakeLibrary";
import { FakeModels, wait } from "./fakeModels";
import { drawn, pictureOf } from "./fakePictures";
import { FakeProjection } from "./fakeProjection";
import { FakeReview } from "./fakeReview";
import { FakeShelf } from "./fakeShelf";

const BEAT_MS = 120;
const LOADING_MS = 500;
const SWITCHING_MS = 1600;
/** Larger libraries are not imported before one's eyes. */
const IMPORTED_MOST = 20_000;
/** The lab, the projections and review look at so many photos. */
const LOOKED_AT = 3000;
const TAGGED_MOST = 20_000;
const LISTING_MS = 12;
/** What a person would have tagged photos with; some by path. */
const TAGS: Record<string, string> = { cat: "animal/cat", flowers: "flower" };
const NO_WEIGHTS: Problem = { code: "modelTensors", params: { path: "/models/vit-b-32", cause: "visual.proj is missing" }, message: "tensor visual.proj is missing" };

export class FakeBackend implements Backend {
  readonly review: FakeReview;
  readonly shelf: FakeShelf;
  #send: (event: WorkbenchEvent) => void = () => undefined;
  #library: FakeLibrary;
  #sets = new FakeLabelSets();
  #queue: number[] = [];
  #stopped: number[] = [];
  #lists = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #done = 0;
  #total = 0;
  #startedAt = 0;
  #version = 1;
  #settings: LabelSettings = { labels: [...(LABEL_SETS[0]?.labels ?? [])], templates: ["a photo of a {}"], topK: 5, threshold: MODEL.defaultThreshold, prompts: {}, set: null };
  #engine: EngineStatus;
  #perBeat: number;
  #models: FakeModels;
  #devices: FakeDevices;
  #lab: FakeLab;
  #projection: FakeProjection;

  constructor(readonly query: URLSearchParams) {
    const failed = query.get("failed");
    this.#devices = new FakeDevices(query, (device) => this.#tellEngine({ device }), () => this.#engine.model?.name ?? MODEL.name);
    this.#engine = {
      state: failed === "model" ? "failed" : "ready",
      model: failed === "model" ? null : MODEL,
      device: this.#devices.status,
      problem: failed === "model" ? NO_WEIGHTS : null,
    };
    this.#perBeat = Number(query.get("rate") ?? 86) * (BEAT_MS / 1000);
    this.#models = new FakeModels(query, (event) => this.#send(event));
    this.shelf = new FakeShelf(query, (event) => this.#send(event));
    const photos = () => this.#library.scored(LOOKED_AT);
    this.#lab = new FakeLab(query, (event) => this.#send(event), {
      photos: () => photos().map((id) => this.#library.stub(id)),
      labels: () => this.#settings.labels,
      model: () => this.#engine.model,
      rescore: () => this.#rescored(),
    });
    this.#projection = new FakeProjection(query, {
      photos: () => photos().map((id) => this.#library.stub(id)),
      labels: () => this.#settings.labels,
      isEdited: () => this.#lab.isEdited(),
    });
    this.review = new FakeReview(query, (event) => this.#send(event), {
      photos,
      labels: () => this.#settings.labels,
      model: () => this.#engine.model?.name ?? MODEL.name,
    });
    this.#library = new FakeLibrary(query, {
      settings: () => this.#settings,
      best: (id) => this.#lab.best(id, this.#settings.labels),
      tagsOf: (id) => this.review.tagsOf(id),
      tagged: () => this.review.tagged(),
    });
  }

  async attach(onEvent: (event: WorkbenchEvent) => void): Promise<Snapshot> {
    this.#send = onEvent;
    const wished = Number(this.query.get("photos") ?? 0);
    const isThere = wished > IMPORTED_MOST || this.query.get("import") === "none";
    if (isThere) this.#settle(wished);
    setTimeout(() => {
      this.#send({ kind: "engine", engine: this.#engine });
      this.#devices.begin();
      if (wished > 0 && !isThere) this.#add(wished);
    }, LOADING_MS);
    return {
      photos: this.#library.count,
      failures: this.#failures(),
      outdated: 0,
      library: this.query.has("table") ? null : this.shelf.facts,
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
    this.#stopped.push(...this.#queue.splice(0));
    this.#send({ kind: "progress", progress: this.#progress("cancelled") });
  }

  async retry(ids: number[]): Promise<void> {
    this.#library.retry(ids);
    this.#enqueue(ids);
  }

  async goOn(): Promise<void> {
    this.#enqueue(this.#stopped.splice(0));
  }

  async remove(ids: number[]): Promise<void> {
    this.#library.remove(ids);
    this.#queue = this.#queue.filter((id) => this.#library.has(id));
    this.#send({ kind: "photosRemoved", ids });
  }

  async restore(ids: number[]): Promise<void> {
    this.#send({ kind: "photosAdded", photos: this.#library.restore(ids) });
  }

  async photoList(query: PhotoQuery): Promise<PhotoList> {
    await wait(LISTING_MS);
    this.#lists += 1;
    if (this.query.get("search") === "fails" && this.#lists % 2 === 0) throw NO_WEIGHTS;
    return this.#library.list(query);
  }

  async photoRecords(ids: number[]): Promise<PhotoRecord[]> {
    await wait(LISTING_MS);
    return this.#library.records(ids);
  }

  async photoSummary(ids: number[] | null): Promise<PhotoSummary> {
    await wait(LISTING_MS);
    return this.#library.summary(ids);
  }

  async filterMenu(): Promise<FilterMenu> {
    await wait(LISTING_MS);
    return this.#library.menu();
  }

  async explainHit(query: PhotoQuery, id: number): Promise<HitExplained> {
    await wait(LISTING_MS);
    return this.#library.explain(query, id);
  }

  async markHit(query: PhotoQuery, id: number, belongs: boolean | null): Promise<void> {
    this.#library.mark(query, id, belongs);
  }

  savedLabelSets(): Promise<SavedLabelSet[]> {
    return this.#sets.list();
  }

  async saveLabelSet(name: string): Promise<SavedLabelSet> {
    const saved = await this.#sets.save(name, this.#settings);
    this.#settings = { ...this.#settings, set: { uid: saved.uid, name: saved.name, version: saved.version } };
    this.#send({ kind: "labels", labels: this.#settings, labelsVersion: this.#version, problems: [] });
    return saved;
  }

  labelSetVersions(uid: string): Promise<LabelSetVersion[]> {
    return this.#sets.versions(uid);
  }

  renameLabelSet(uid: string, name: string): Promise<void> {
    return this.#sets.rename(uid, name);
  }

  removeLabelSet(uid: string): Promise<void> {
    return this.#sets.remove(uid);
  }

  async exportLabelSet(_uid: string): Promise<string | null> {
    return "/home/ada/birds.labels.json";
  }

  importLabelSet(): Promise<SavedLabelSet | null> {
    return this.#sets.import();
  }

  async setLabels(settings: LabelSettings): Promise<void> {
    this.#settings = settings;
    this.#version += 1;
    const problems = settings.labels.flatMap((label, index) =>
      label.includes("☓") ? [{ index, label, problem: { code: "badLabel", params: { cause: "empty" }, message: "empty label" } as Problem }] : [],
    );
    this.#send({ kind: "labels", labels: settings, labelsVersion: this.#version, problems });
    setTimeout(() => this.#rescored(), 40);
  }

  async loadLabelFile(): Promise<string[] | null> {
    return ["lighthouse", "waterfall", "market stall", "bridge", "castle"];
  }

  async details(id: number): Promise<PhotoDetails> {
    await wait(20);
    const [record] = this.#library.records([id]);
    const problem = record?.problem ?? null;
    return {
      ...this.#library.stub(id), facts: problem ? null : this.#library.facts(id),
      scores: this.#library.isScored(id) ? this.#lab.scores(id, this.#settings.labels) : [], problem,
      files: this.#library.filesOf(id), decisions: this.review.decisionsOf(id), suggestions: this.review.suggestionsOf(id),
    };
  }

  devices(): Promise<DeviceInfo[]> {
    return this.#devices.list();
  }

  async chooseDevice(id: string): Promise<void> {
    const before = this.#devices.status.active.id;
    await this.#devices.choose(id);
    if (this.#devices.status.active.id !== before) this.#enqueue(this.#library.scored(IMPORTED_MOST), true);
  }

  testDevice(id: string): Promise<SelfTest> {
    return this.#devices.test(id);
  }

  speedSettings(): Promise<SpeedSettings> {
    return this.#devices.speedSettings();
  }

  setSpeed(speed: SpeedSettings): Promise<void> {
    return this.#devices.setSpeed(speed);
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
    this.#enqueue(this.#library.scored(IMPORTED_MOST), true);
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

  /** A library that was there before: read, scored, and some of it tagged. */
  #settle(count: number): void {
    this.#library.settle(count);
    const tagged = new Map<string, number[]>();
    for (let id = 1; id <= Math.min(count, TAGGED_MOST); id++) {
      const { scene } = pictureOf(id);
      const tag = TAGS[scene] ?? scene;
      if (id % 5 === 0 && failureAt(id) === null) tagged.set(tag, [...(tagged.get(tag) ?? []), id]);
    }
    for (const [tag, ids] of tagged) this.review.seed(tag, ids);
  }

  #failures(): Failure[] {
    return this.#library.failures.flatMap((id) => {
      const problem = failureAt(id)?.problem;
      return problem ? [{ ...this.#library.stub(id), problem }] : [];
    });
  }

  #add(count: number, paths: string[] = []): void {
    const photos: PhotoStub[] = this.#library.add(count, paths);
    this.#send({ kind: "photosAdded", photos });
    this.#enqueue(photos.map((photo) => photo.id));
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
    this.#library.read(good);
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
    if (!failure || !this.#library.has(id)) return;
    this.#library.fail(id);
    this.#send({ kind: "photosFailed", failures: [{ ...this.#library.stub(id), problem: failure.problem }] });
  }

  #score(ids: number[]): void {
    const present = this.#library.score(ids);
    this.#send({ kind: "photosScored", labelsVersion: this.#version, photos: present.map((id) => this.#lab.best(id, this.#settings.labels)) });
  }

  #rescored(): void {
    this.#send({ kind: "photosRescored", labelsVersion: this.#version });
  }

  #progress(phase: Progress["phase"]): Progress {
    const secs = (performance.now() - this.#startedAt) / 1000;
    const rate = this.#done > 0 && secs > 0 ? this.#done / secs : null;
    return {
      phase, done: this.#done, total: this.#total, failed: this.#library.failures.length,
      ratePerSec: phase === "working" ? rate : null,
      secsLeft: phase === "working" && rate !== null ? (this.#total - this.#done) / rate : null,
    };
  }
}

function sizeOf(id: number): { width: number; height: number } {
  const { width, height } = pictureOf(id);
  return { width, height };
}
