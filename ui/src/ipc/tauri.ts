// The real shell: commands by `invoke`, events through one channel, pictures through the `photo` scheme.
import { Channel, convertFileSrc, invoke } from "@tauri-apps/api/core";
import { getCurrentWebview } from "@tauri-apps/api/webview";
import type { Backend, DragState, PhotoList } from "./backend";
import type {
  AblationOptions, AblationReport, Ask, CollectionReport, CompareWith, Comparison, DeviceInfo, Direction, Edit, ExplainAbilities, Explained, Exported,
  ExportForm, ExportPlan, FilterMenu, FlipArithmetic, HitExplained, LabEffect, LabelSettings, LabelSetVersion, LabState, MatrixFacts, MatrixSource,
  Meaning, ModelList, PhotoDetails, PhotoQuery, PhotoRecord, PhotoSummary, PriorRow, ProjectionReport, SavedLabelSet, SelfTest,
  SideBySide, Snapshot, SpeedSettings, TensorRow, Tile, TuneOptions, TuneReport, VerifyReport, WorkbenchEvent,
} from "./bindings";
import { photoListFrom } from "./tauriPhotoList";
import { TauriReview } from "./tauriReview";
import { TauriShelf } from "./tauriShelf";

export class TauriBackend implements Backend {
  readonly review = new TauriReview();
  readonly shelf = new TauriShelf();

  attach(onEvent: (event: WorkbenchEvent) => void): Promise<Snapshot> {
    const channel = new Channel<WorkbenchEvent>();
    channel.onmessage = onEvent;
    return invoke("attach", { channel });
  }

  addPaths(paths: string[]): Promise<void> {
    return invoke("add_paths", { paths });
  }

  chooseFiles(): Promise<boolean> {
    return invoke("choose_files");
  }

  chooseFolder(): Promise<boolean> {
    return invoke("choose_folder");
  }

  addSamples(): Promise<void> {
    return invoke("add_samples");
  }

  paste(): Promise<void> {
    return invoke("paste");
  }

  cancel(): Promise<void> {
    return invoke("cancel");
  }

  retry(ids: number[]): Promise<void> {
    return invoke("retry", { ids });
  }

  goOn(): Promise<void> {
    return invoke("go_on");
  }

  remove(ids: number[]): Promise<void> {
    return invoke("remove", { ids });
  }

  restore(ids: number[]): Promise<void> {
    return invoke("restore", { ids });
  }

  async photoList(query: PhotoQuery): Promise<PhotoList> {
    return photoListFrom(await invoke<ArrayBuffer>("photo_list", { query }));
  }

  photoRecords(ids: number[]): Promise<PhotoRecord[]> {
    return invoke("photo_records", { ids });
  }

  photoSummary(ids: number[] | null): Promise<PhotoSummary> {
    return invoke("photo_summary", { ids });
  }

  filterMenu(): Promise<FilterMenu> {
    return invoke("filter_menu");
  }

  explainHit(query: PhotoQuery, id: number): Promise<HitExplained> {
    return invoke("explain_hit", { query, id });
  }

  markHit(query: PhotoQuery, id: number, belongs: boolean | null): Promise<void> {
    return invoke("mark_hit", { query, id, belongs });
  }

  savedLabelSets(): Promise<SavedLabelSet[]> {
    return invoke("saved_label_sets");
  }

  saveLabelSet(name: string): Promise<SavedLabelSet> {
    return invoke("save_label_set", { name });
  }

  labelSetVersions(uid: string): Promise<LabelSetVersion[]> {
    return invoke("label_set_versions", { uid });
  }

  renameLabelSet(uid: string, name: string): Promise<void> {
    return invoke("rename_label_set", { uid, name });
  }

  removeLabelSet(uid: string): Promise<void> {
    return invoke("remove_label_set", { uid });
  }

  exportLabelSet(uid: string): Promise<string | null> {
    return invoke("export_label_set", { uid });
  }

  importLabelSet(): Promise<SavedLabelSet | null> {
    return invoke("import_label_set");
  }

  setLabels(settings: LabelSettings): Promise<void> {
    return invoke("set_labels", { settings });
  }

  loadLabelFile(): Promise<string[] | null> {
    return invoke("load_label_file");
  }

  details(id: number): Promise<PhotoDetails> {
    return invoke("details", { id });
  }

  devices(): Promise<DeviceInfo[]> {
    return invoke("devices");
  }

  chooseDevice(id: string): Promise<void> {
    return invoke("choose_device", { id });
  }

  testDevice(id: string): Promise<SelfTest> {
    return invoke("test_device", { id });
  }

  speedSettings(): Promise<SpeedSettings> {
    return invoke("speed_settings");
  }

  setSpeed(speed: SpeedSettings): Promise<void> {
    return invoke("set_speed", { speed });
  }

  chooseModelFolder(): Promise<boolean> {
    return invoke("choose_model_folder");
  }

  useEmbeddedModel(): Promise<void> {
    return invoke("use_embedded_model");
  }

  models(): Promise<ModelList> {
    return invoke("models");
  }

  chooseModel(name: string): Promise<void> {
    return invoke("choose_model", { name });
  }

  pullModel(name: string): Promise<void> {
    return invoke("pull_model", { name });
  }

  pauseTransfer(name: string): Promise<void> {
    return invoke("pause_transfer", { name });
  }

  cancelTransfer(name: string): Promise<void> {
    return invoke("cancel_transfer", { name });
  }

  importModel(inPlace: boolean): Promise<string | null> {
    return invoke("import_model", { inPlace });
  }

  removeModel(name: string): Promise<void> {
    return invoke("remove_model", { name });
  }

  verifyModel(name: string): Promise<VerifyReport> {
    return invoke("verify_model", { name });
  }

  cancelVerify(name: string): Promise<void> {
    return invoke("cancel_verify", { name });
  }

  revealModel(name: string): Promise<void> {
    return invoke("reveal_model", { name });
  }

  setHubEndpoint(endpoint: string | null): Promise<void> {
    return invoke("set_hub_endpoint", { endpoint });
  }

  projectionReport(): Promise<ProjectionReport> {
    return invoke("projection_report");
  }

  collectionReport(): Promise<CollectionReport> {
    return invoke("collection_report");
  }

  meaning(direction: Direction): Promise<Meaning> {
    return invoke("meaning", { direction });
  }

  classPrior(): Promise<PriorRow[]> {
    return invoke("class_prior");
  }

  tensors(): Promise<TensorRow[]> {
    return invoke("tensors");
  }

  openMatrix(source: MatrixSource): Promise<MatrixFacts> {
    return invoke("open_matrix", { source });
  }

  async tile(tile: Tile): Promise<Float32Array> {
    return new Float32Array(await invoke<ArrayBuffer>("tile", { tile }));
  }

  compare(other: CompareWith): Promise<Comparison> {
    return invoke("compare", { other });
  }

  explainAbilities(): Promise<ExplainAbilities> {
    return invoke("explain_abilities");
  }

  explain(id: number, ask: Ask): Promise<Explained> {
    return invoke("explain", { id, ask });
  }

  lab(): Promise<LabState> {
    return invoke("lab");
  }

  labEffect(): Promise<LabEffect> {
    return invoke("lab_effect");
  }

  setEdits(edits: Edit[]): Promise<LabEffect> {
    return invoke("set_edits", { edits });
  }

  undoEdit(): Promise<LabEffect> {
    return invoke("undo_edit");
  }

  redoEdit(): Promise<LabEffect> {
    return invoke("redo_edit");
  }

  saveEdits(name: string): Promise<void> {
    return invoke("save_edits", { name });
  }

  loadEdits(name: string): Promise<LabEffect> {
    return invoke("load_edits", { name });
  }

  forgetEdits(name: string): Promise<void> {
    return invoke("forget_edits", { name });
  }

  flipArithmetic(id: number): Promise<FlipArithmetic> {
    return invoke("flip_arithmetic", { id });
  }

  searchSideBySide(query: string, top: number): Promise<SideBySide> {
    return invoke("search_side_by_side", { query, top });
  }

  chooseVectorFile(): Promise<string | null> {
    return invoke("choose_vector_file");
  }

  chooseHeadFile(): Promise<string | null> {
    return invoke("choose_head_file");
  }

  tune(options: TuneOptions): Promise<TuneReport> {
    return invoke("tune", { options });
  }

  ablation(options: AblationOptions): Promise<AblationReport> {
    return invoke("ablation", { options });
  }

  cancelTune(): Promise<void> {
    return invoke("cancel_tune");
  }

  saveAblation(format: "markdown" | "html"): Promise<string | null> {
    return invoke("save_ablation", { format });
  }

  exportPlan(): Promise<ExportPlan> {
    return invoke("export_plan");
  }

  exportHeads(form: ExportForm): Promise<Exported | null> {
    return invoke("export_heads", { form });
  }

  saveFile(name: string, content: Uint8Array): Promise<string | null> {
    return invoke("save_file", content, { headers: { "x-name": encodeURIComponent(name) } });
  }

  modelCard(): Promise<string> {
    return invoke("model_card");
  }

  reveal(id: number): Promise<void> {
    return invoke("reveal", { id });
  }

  copyText(text: string): Promise<void> {
    return invoke("copy_text", { text });
  }

  thumbnailUrl(id: number): string {
    return convertFileSrc(`thumbnail/${id}`, "photo");
  }

  pictureUrl(id: number): string {
    return convertFileSrc(`picture/${id}`, "photo");
  }

  onDrag(listener: (state: DragState) => void): Promise<() => void> {
    return getCurrentWebview().onDragDropEvent(({ payload }) => listener({ kind: payload.type }));
  }
}
