// The one interface between the window and the shell. `tauri.ts` is the real one, `fake.ts` a seeded made-up one.
import type {
  AblationOptions, AblationReport, Ask, CollectionReport, CompareWith, Comparison, DeviceInfo, Direction, Edit, ExplainAbilities, Explained, Exported,
  ExportForm, ExportPlan, FilterMenu, FlipArithmetic, HitExplained, LabEffect, LabelSettings, LabelSetVersion, LabState, MatrixFacts, MatrixSource,
  Meaning, ModelList, PhotoDetails, PhotoListHead, PhotoQuery, PhotoRecord, PhotoSummary, PriorRow, ProjectionReport, SavedLabelSet, SelfTest,
  SideBySide, Snapshot, SpeedSettings, TensorRow, Tile, TuneOptions, TuneReport, VerifyReport, WorkbenchEvent,
} from "./bindings";
import type { ReviewBackend } from "./reviewBackend";
import type { ShelfBackend } from "./shelfBackend";

/** What a native drag over the window is doing. Positions are CSS pixels. */
export type DragState = { kind: "enter" | "over" | "leave" | "drop" };

/** Photos by number, in order. A million of them are some megabytes, so that all there is to know of one is asked for when it is seen. */
export interface PhotoList {
  head: PhotoListHead;
  ids: Uint32Array;
  /** Width over height; 0 where it is not known yet. */
  aspects: Float32Array;
  /** Of a search, or of the label that the order is by. */
  scores: Float32Array | null;
}

export interface Backend {
  readonly review: ReviewBackend;
  readonly shelf: ShelfBackend;
  /** Starts the stream of events and gives what there is now. */
  attach(onEvent: (event: WorkbenchEvent) => void): Promise<Snapshot>;
  /** Adds files and folders (recursive). Photos arrive as events. */
  addPaths(paths: string[]): Promise<void>;
  /** Native dialogs; resolve with false when the person cancelled. */
  chooseFiles(): Promise<boolean>;
  chooseFolder(): Promise<boolean>;
  /** The bundled sample photos. */
  addSamples(): Promise<void>;
  /** Whatever the clipboard holds: file list, path text, or image. Rejects with a Problem when it holds none of these. */
  paste(): Promise<void>;
  /** Stops the work under way; what is done stays. */
  cancel(): Promise<void>;
  /** Goes on with photos that were cancelled, or that failed. */
  retry(ids: number[]): Promise<void>;
  /** Goes on with every photo that was cancelled. */
  goOn(): Promise<void>;
  /** Takes photos out of the library; their files stay, and so does what was decided about them. */
  remove(ids: number[]): Promise<void>;
  /** Undoes that. */
  restore(ids: number[]): Promise<void>;
  /** Which photos, in which order. */
  photoList(query: PhotoQuery): Promise<PhotoList>;
  /** What the grid shows of photos, in the order asked for; those that are gone are left out. */
  photoRecords(ids: number[]): Promise<PhotoRecord[]>;
  /** Some photos in figures; null for all. */
  photoSummary(ids: number[] | null): Promise<PhotoSummary>;
  /** What filters can be set to. */
  filterMenu(): Promise<FilterMenu>;
  /** How each term of a search counts for a photo. */
  explainHit(query: PhotoQuery, id: number): Promise<HitExplained>;
  /** Says that a photo belongs to what was searched for, or does not; the cut-off learns from it. Null takes it back. */
  markHit(query: PhotoQuery, id: number, belongs: boolean | null): Promise<void>;
  /** Replaces label set, templates, top-k and threshold; re-scores without encoding any photo again. Saved for the next start. */
  setLabels(settings: LabelSettings): Promise<void>;
  /** Asks for a text file with one label a line; null when cancelled. */
  loadLabelFile(): Promise<string[] | null>;
  /** The label sets that were saved in the library. */
  savedLabelSets(): Promise<SavedLabelSet[]>;
  /** Saves the labels in use under a name, as a new version where the set has that name; resolves with the set. */
  saveLabelSet(name: string): Promise<SavedLabelSet>;
  /** Every version of a set, newest first. */
  labelSetVersions(uid: string): Promise<LabelSetVersion[]>;
  renameLabelSet(uid: string, name: string): Promise<void>;
  removeLabelSet(uid: string): Promise<void>;
  /** Asks for a place and writes a set there to be shared; its path, or null when cancelled. */
  exportLabelSet(uid: string): Promise<string | null>;
  /** Asks for a shared set and adds it, as a new version of a set that is here already; null when cancelled. */
  importLabelSet(): Promise<SavedLabelSet | null>;
  details(id: number): Promise<PhotoDetails>;
  devices(): Promise<DeviceInfo[]>;
  /** `auto`, or a DeviceInfo id. A GPU is prepared while the CPU computes; how far it is comes as events. */
  chooseDevice(id: string): Promise<void>;
  /** Compares a device with the CPU, with the model in use; takes up to a minute. Rejects with a Problem when it could not be tested. */
  testDevice(id: string): Promise<SelfTest>;
  speedSettings(): Promise<SpeedSettings>;
  /** Remembers them. Other numbers load the model again; the rest counts for photos that are read from now on. */
  setSpeed(speed: SpeedSettings): Promise<void>;
  /** Asks for a model folder; false when cancelled. Rejects with a Problem when it does not load. */
  chooseModelFolder(): Promise<boolean>;
  useEmbeddedModel(): Promise<void>;
  /** Every model there is. Changes come as events. */
  models(): Promise<ModelList>;
  /** Computes with `embedded` or an installed model from now on; resolves when it is loaded. On failure the model before goes on. */
  chooseModel(name: string): Promise<void>;
  /** Begins to download a model of the catalogue, or goes on with it. How it goes comes as events. */
  pullModel(name: string): Promise<void>;
  /** Stops a download and keeps what has arrived. */
  pauseTransfer(name: string): Promise<void>;
  /** Stops a download or a copy and removes what has arrived. */
  cancelTransfer(name: string): Promise<void>;
  /** Asks for a model folder and adds it; resolves with its name when it is there, with null when cancelled. */
  importModel(inPlace: boolean): Promise<string | null>;
  /** Deletes an installed model; one that was imported in place is only forgotten. */
  removeModel(name: string): Promise<void>;
  /** Checks a model; how far it is comes as events. */
  verifyModel(name: string): Promise<VerifyReport>;
  /** Stops a check; those not made are skipped. */
  cancelVerify(name: string): Promise<void>;
  /** Shows a model's files in the system's file manager. */
  revealModel(name: string): Promise<void>;
  /** Where downloads come from; null for `HF_ENDPOINT` or the hub itself. */
  setHubEndpoint(endpoint: string | null): Promise<void>;
  /** Both projections by their weights, with the edits in force. */
  projectionReport(): Promise<ProjectionReport>;
  /** The photos and labels at hand before and after their projections, with the edits in force. */
  collectionReport(): Promise<CollectionReport>;
  /** Labels and photos along a direction of the joint space. */
  meaning(direction: Direction): Promise<Meaning>;
  /** What the image side's effective bias adds to each label, most first; empty without one. */
  classPrior(): Promise<PriorRow[]>;
  /** Every tensor of the checkpoint, in the order of their names. */
  tensors(): Promise<TensorRow[]>;
  /** Opens a matrix: its figures. It stays open for its tiles until another one is opened. */
  openMatrix(source: MatrixSource): Promise<MatrixFacts>;
  /** Pixels of a matrix, row by row; at the edge fewer come than were asked for. */
  tile(tile: Tile): Promise<Float32Array>;
  /** Compares what computes now with something else. Another model has to encode the photos first, which takes a while. */
  compare(other: CompareWith): Promise<Comparison>;
  /** What the loaded image tower can be asked about a photo. */
  explainAbilities(): Promise<ExplainAbilities>;
  explain(id: number, ask: Ask): Promise<Explained>;
  /** The edits in force. Changes come as events. */
  lab(): Promise<LabState>;
  /** What the edits in force do. */
  labEffect(): Promise<LabEffect>;
  /** Replaces the stack of edits; every photo is projected and scored again, none is encoded. Resolves when that is done. */
  setEdits(edits: Edit[]): Promise<LabEffect>;
  undoEdit(): Promise<LabEffect>;
  redoEdit(): Promise<LabEffect>;
  /** Keeps the stack under a name, for later starts too. */
  saveEdits(name: string): Promise<void>;
  loadEdits(name: string): Promise<LabEffect>;
  forgetEdits(name: string): Promise<void>;
  /** Why a photo's best label has changed. */
  flipArithmetic(id: number): Promise<FlipArithmetic>;
  /** A search by words without and with the edits. */
  searchSideBySide(query: string, top: number): Promise<SideBySide>;
  /** Asks for a file with one vector; its path, or null when cancelled. */
  chooseVectorFile(): Promise<string | null>;
  /** Asks for a file with heads that fit this model; its name among the replacements, or null when cancelled. */
  chooseHeadFile(): Promise<string | null>;
  /** Fits heads to the classes of the photos at hand; how far it is comes as events. */
  tune(options: TuneOptions): Promise<TuneReport>;
  /** Compares forms of heads on the classes of the photos at hand; how far it is comes as events. */
  ablation(options: AblationOptions): Promise<AblationReport>;
  /** Stops tuning or an ablation. A stopped ablation rejects with a Problem of code `cancelled`. */
  cancelTune(): Promise<void>;
  /** Asks for a place and writes the newest ablation there; its path, or null when cancelled. */
  saveAblation(format: "markdown" | "html"): Promise<string | null>;
  /** What exporting the heads in force comes to. */
  exportPlan(): Promise<ExportPlan>;
  /** Asks for a place and writes the heads in force there; null when cancelled. */
  exportHeads(form: ExportForm): Promise<Exported | null>;
  /** Asks for a place and writes a file there, such as a chart's picture; its path, or null when cancelled. */
  saveFile(name: string, content: Uint8Array): Promise<string | null>;
  /** The embedded model's card, Markdown. */
  modelCard(): Promise<string>;
  reveal(id: number): Promise<void>;
  copyText(text: string): Promise<void>;
  /** URL of a photo's thumbnail (longest side 320 px) or of its large picture (longest side 2048 px). */
  thumbnailUrl(id: number): string;
  pictureUrl(id: number): string;
  /** Native drags over the window; returns a function that stops listening. Drops are added by the shell itself. */
  onDrag(listener: (state: DragState) => void): Promise<() => void>;
}
