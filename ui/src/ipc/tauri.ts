// The real shell: commands by `invoke`, events through one channel, pictures through the `photo` scheme.
import { Channel, convertFileSrc, invoke } from "@tauri-apps/api/core";
import { getCurrentWebview } from "@tauri-apps/api/webview";
import type { Backend, DragState } from "./backend";
import type { DeviceInfo, LabelSettings, ModelList, PhotoDetails, Snapshot, VerifyReport, WorkbenchEvent } from "./bindings";

export class TauriBackend implements Backend {
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

  remove(ids: number[]): Promise<void> {
    return invoke("remove", { ids });
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
