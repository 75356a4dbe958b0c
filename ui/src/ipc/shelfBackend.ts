// What the shell answers about the library as a whole: folders, health, near duplicates, outliers, sidecars.
import type {
  CheckReport, LibraryState, NearReport, Outlier, SidecarOptions, SidecarReading, SidecarReport,
} from "./bindings";

export interface ShelfBackend {
  /** The library. Changes come as events. */
  state(): Promise<LibraryState>;
  /** Asks for a folder and uses the library in it, or makes one there, from the next start on; its path, or null when cancelled. */
  chooseLibrary(): Promise<string | null>;
  /** Starts the program again, with the library chosen last. */
  restart(): Promise<void>;
  /** Asks for a folder, adds its photos and watches it; false when cancelled. */
  watchFolder(): Promise<boolean>;
  /** Its photos stay. */
  unwatchFolder(path: string): Promise<void>;
  /** Looks through all watched folders, and after every known file, for what came, went or moved. */
  rescan(): Promise<void>;
  /** Checks the library's own files; `deep` reads every thumbnail and every feature. */
  check(deep: boolean): Promise<CheckReport>;
  repair(): Promise<CheckReport>;
  /** Shows the library's folder in the system's file manager. */
  reveal(): Promise<void>;
  nearDuplicates(minCosine: number): Promise<NearReport>;
  /** The photos least like any others, at most `top`. */
  outliers(top: number): Promise<Outlier[]>;
  /** Marks photos to be set aside, or takes the mark away. Nothing is moved or deleted. */
  mark(ids: number[], marked: boolean): Promise<void>;
  /** Asks for a place and writes the paths of marked photos there, one a line; its path, or null when cancelled. */
  exportMarked(): Promise<string | null>;
  /** As they were last used. */
  sidecarOptions(): Promise<SidecarOptions>;
  /** What writing sidecars would do, to these photos or to all; nothing is written. */
  planSidecars(ids: number[] | null, options: SidecarOptions): Promise<SidecarReport>;
  writeSidecars(ids: number[] | null, options: SidecarOptions): Promise<SidecarReport>;
  /** Takes the suggestions that were written into sidecars out of them again. */
  removeMachineTags(ids: number[] | null): Promise<SidecarReport>;
  /** What sidecars, and keywords inside photos, have that the library does not. */
  planReading(ids: number[] | null): Promise<SidecarReading>;
  /** Takes it over, as one step that can be undone. `evenRejected` takes tags too that a person rejected here. */
  takeReading(ids: number[] | null, evenRejected: boolean): Promise<SidecarReading>;
  /** Asks for a place and writes every tag, with where it comes from; its path, or null when cancelled. */
  exportTags(format: "csv" | "json"): Promise<string | null>;
}
