// The shelf part of the real shell.
import { invoke } from "@tauri-apps/api/core";
import type {
  CheckReport, LibraryState, NearReport, Outlier, SidecarOptions, SidecarReading, SidecarReport,
} from "./bindings";
import type { ShelfBackend } from "./shelfBackend";

export class TauriShelf implements ShelfBackend {
  state(): Promise<LibraryState> {
    return invoke("shelf_state");
  }

  chooseLibrary(): Promise<string | null> {
    return invoke("shelf_choose_library");
  }

  restart(): Promise<void> {
    return invoke("shelf_restart");
  }

  watchFolder(): Promise<boolean> {
    return invoke("shelf_watch_folder");
  }

  unwatchFolder(path: string): Promise<void> {
    return invoke("shelf_unwatch_folder", { path });
  }

  rescan(): Promise<void> {
    return invoke("shelf_rescan");
  }

  check(deep: boolean): Promise<CheckReport> {
    return invoke("shelf_check", { deep });
  }

  repair(): Promise<CheckReport> {
    return invoke("shelf_repair");
  }

  reveal(): Promise<void> {
    return invoke("shelf_reveal");
  }

  nearDuplicates(minCosine: number): Promise<NearReport> {
    return invoke("shelf_near_duplicates", { minCosine });
  }

  outliers(top: number): Promise<Outlier[]> {
    return invoke("shelf_outliers", { top });
  }

  mark(ids: number[], marked: boolean): Promise<void> {
    return invoke("shelf_mark", { ids, marked });
  }

  exportMarked(): Promise<string | null> {
    return invoke("shelf_export_marked");
  }

  sidecarOptions(): Promise<SidecarOptions> {
    return invoke("shelf_sidecar_options");
  }

  planSidecars(ids: number[] | null, options: SidecarOptions): Promise<SidecarReport> {
    return invoke("shelf_plan_sidecars", { ids, options });
  }

  writeSidecars(ids: number[] | null, options: SidecarOptions): Promise<SidecarReport> {
    return invoke("shelf_write_sidecars", { ids, options });
  }

  removeMachineTags(ids: number[] | null): Promise<SidecarReport> {
    return invoke("shelf_remove_machine_tags", { ids });
  }

  planReading(ids: number[] | null): Promise<SidecarReading> {
    return invoke("shelf_plan_reading", { ids });
  }

  takeReading(ids: number[] | null, evenRejected: boolean): Promise<SidecarReading> {
    return invoke("shelf_take_reading", { ids, evenRejected });
  }

  exportTags(format: "csv" | "json"): Promise<string | null> {
    return invoke("shelf_export_tags", { format });
  }
}
