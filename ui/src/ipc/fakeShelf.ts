// The made-up library as a whole: its folders, its health, and the marks on its photos. What is done here stays done.
// `?shelf=empty` has nothing yet, `readonly` can only be read, `healthy` has no findings, `many` has thousands of groups,
// `large` is too large to be searched by itself, and `fails` answers each question only when it is asked again.
import type { CheckReport, Finding, LibraryState, NearReport, Outlier, Problem, SidecarOptions, SidecarReading, SidecarReport, WatchedFolder, WorkbenchEvent } from "./bindings";
import { wait } from "./fakeModels";
import { nearGroups, outlierRows } from "./fakeShelfAlike";
import { FakeSidecars } from "./fakeShelfSidecars";
import type { ShelfBackend } from "./shelfBackend";

const HOME = "/home/ada/Pictures";
const LIBRARY = "/home/ada/.local/share/cliploupe/library";
const HOUR_MS = 3_600_000;
const AT_MOST = 1000;

export class FakeShelf implements ShelfBackend {
  #send: (event: WorkbenchEvent) => void;
  #scenario: string;
  #state: LibraryState;
  #marked = new Set<number>();
  #repaired = false;
  #failed = new Set<string>();
  #sidecars = new FakeSidecars();

  constructor(query: URLSearchParams, send: (event: WorkbenchEvent) => void) {
    this.#send = send;
    this.#scenario = query.get("shelf") ?? "";
    this.#state = stateOf(this.#scenario);
  }

  get facts(): LibraryState {
    return this.#state;
  }

  async state(): Promise<LibraryState> {
    await this.#takes(120, "state");
    return this.#state;
  }

  async chooseLibrary(): Promise<string | null> {
    await wait(200);
    return "/media/photos/Cliploupe";
  }

  async restart(): Promise<void> {
    await wait(200);
    location.reload();
  }

  async watchFolder(): Promise<boolean> {
    await wait(300);
    this.#writes();
    const path = `${HOME}/Phone ${this.#state.watched.length + 1}`;
    this.#tell({ watched: [...this.#state.watched, { path, present: true, photos: 0, scannedMs: null }] });
    setTimeout(() => this.#arrived(path, 1230), 1200);
    return true;
  }

  async unwatchFolder(path: string): Promise<void> {
    await wait(150);
    this.#writes();
    this.#tell({ watched: this.#state.watched.filter((folder) => folder.path !== path) });
  }

  async rescan(): Promise<void> {
    await this.#takes(1800, "rescan");
    const watched = this.#state.watched.map((folder) => (folder.present ? { ...folder, scannedMs: Date.now() } : folder));
    this.#tell({ watched, missing: Math.max(0, this.#state.missing - 5) });
  }

  async check(deep: boolean): Promise<CheckReport> {
    await this.#takes(deep ? 3500 : 1100, "check");
    const findings = this.#findings(deep);
    return { findings, total: findings.length, checked: deep ? 37_911 : 25_104, repaired: false };
  }

  async repair(): Promise<CheckReport> {
    await this.#takes(2600, "repair");
    this.#writes();
    const findings = this.#findings(true);
    this.#repaired = true;
    return { findings, total: findings.length, checked: 37_911, repaired: true };
  }

  async reveal(): Promise<void> {
    await wait(20);
  }

  async nearDuplicates(minCosine: number): Promise<NearReport> {
    await this.#takes(900, "near");
    if (this.#state.photos === 0) return { groups: [], total: 0, compared: 0 };
    const all = nearGroups(minCosine, this.#scenario === "many" ? 30_000 : 2400);
    const groups = all.slice(0, AT_MOST).map((group) => ({ ...group, photos: group.photos.map((photo) => ({ ...photo, marked: this.#marked.has(photo.id) })) }));
    return { groups, total: all.length, compared: this.#state.photos - this.#state.failed };
  }

  async outliers(top: number): Promise<Outlier[]> {
    await this.#takes(800, "outliers");
    if (this.#state.photos === 0) return [];
    return outlierRows(top).map((row) => ({ ...row, marked: this.#marked.has(row.id) }));
  }

  async mark(ids: number[], marked: boolean): Promise<void> {
    await wait(30);
    this.#writes();
    for (const id of ids) {
      if (marked) this.#marked.add(id);
      else this.#marked.delete(id);
    }
    this.#tell({ marked: this.#marked.size });
  }

  async exportMarked(): Promise<string | null> {
    await wait(300);
    return "/home/ada/set-aside.txt";
  }

  async sidecarOptions(): Promise<SidecarOptions> {
    await this.#takes(60, "options");
    return this.#sidecars.options;
  }

  async planSidecars(ids: number[] | null, options: SidecarOptions): Promise<SidecarReport> {
    await this.#takes(700, "plan");
    return this.#state.tags === 0 ? EMPTY : this.#sidecars.plan(ids, options);
  }

  async writeSidecars(ids: number[] | null, options: SidecarOptions): Promise<SidecarReport> {
    await this.#takes(1500, "write");
    this.#writes();
    return this.#sidecars.write(ids, options);
  }

  async removeMachineTags(ids: number[] | null): Promise<SidecarReport> {
    await this.#takes(900, "remove");
    this.#writes();
    return this.#sidecars.removeMachineTags(ids);
  }

  async planReading(ids: number[] | null): Promise<SidecarReading> {
    await this.#takes(800, "reading");
    return this.#state.photos === 0 ? { found: [], photos: 0, tags: 0, sidecars: 0, failed: [], taken: false } : this.#sidecars.look(ids);
  }

  async takeReading(ids: number[] | null, evenRejected: boolean): Promise<SidecarReading> {
    await this.#takes(600, "take");
    this.#writes();
    const taken = this.#sidecars.take(ids, evenRejected);
    this.#tell({ tags: this.#state.tags + taken.tags });
    return taken;
  }

  async exportTags(format: "csv" | "json"): Promise<string | null> {
    await wait(400);
    return `/home/ada/tags.${format}`;
  }

  /** Takes its time, and in one scenario the first question of each kind comes to nothing. */
  async #takes(ms: number, question: string): Promise<void> {
    await wait(ms);
    if (this.#scenario !== "fails" || this.#failed.has(question)) return;
    this.#failed.add(question);
    const problem: Problem = { code: "unreadable", params: { path: `${LIBRARY}/library.sqlite`, cause: "disk I/O error" }, message: "cannot read library.sqlite: disk I/O error" };
    throw problem;
  }

  #writes(): void {
    const problem: Problem = { code: "permission", params: { path: LIBRARY }, message: `${LIBRARY} can only be read` };
    if (this.#state.readOnly !== null) throw problem;
  }

  #tell(change: Partial<LibraryState>): void {
    this.#state = { ...this.#state, ...change };
    this.#send({ kind: "libraryChanged", library: this.#state });
  }

  #arrived(path: string, photos: number): void {
    const watched = this.#state.watched.map((folder) => (folder.path === path ? { ...folder, photos, scannedMs: Date.now() } : folder));
    this.#tell({ watched, photos: this.#state.photos + photos, files: this.#state.files + photos });
  }

  #findings(deep: boolean): Finding[] {
    if (this.#scenario === "healthy" || this.#state.photos === 0) return [];
    return FINDINGS.filter((finding) => (deep || !finding.deep) && !(this.#repaired && finding.repairable)).map(({ kind, path, what, repairable }) => ({ kind, path, what, repairable }));
  }
}

const EMPTY: SidecarReport = { plans: [], changed: 0, unchanged: 0, conflicts: 0, failed: [], written: false };

const FINDINGS: (Finding & { deep: boolean })[] = [
  { kind: "rowIndexDamaged", path: `${LIBRARY}/features/embedded/rows.idx`, what: "The row index ends in the middle of a row.", repairable: true, deep: false },
  { kind: "thumbnailMissing", path: `${LIBRARY}/thumbnails/3f/3fa9c2d417.webp`, what: "There is no thumbnail of IMG_4127.jpg.", repairable: true, deep: false },
  { kind: "thumbnailMissing", path: `${LIBRARY}/thumbnails/a0/a01b77e63c.webp`, what: "There is no thumbnail of scan-0012.tif.", repairable: true, deep: false },
  { kind: "unknownFile", path: `${LIBRARY}/thumbnails/.DS_Store`, what: "This file is not the library's; it is left alone.", repairable: false, deep: false },
  { kind: "thumbnailDamaged", path: `${LIBRARY}/thumbnails/71/71c0de9b02.webp`, what: "The thumbnail does not decode.", repairable: true, deep: true },
  { kind: "featureDamaged", path: `${LIBRARY}/features/embedded/features.f16`, what: "Row 8,214 has values that are not numbers.", repairable: true, deep: true },
];

function stateOf(scenario: string): LibraryState {
  const watched: WatchedFolder[] = [
    { path: `${HOME}/2024 Summer`, present: true, photos: 8310, scannedMs: Date.now() - HOUR_MS / 2 },
    { path: `${HOME}/Family`, present: true, photos: 3956, scannedMs: Date.now() - 26 * HOUR_MS },
    { path: "/media/ada/Archive SSD/Photos 2009–2016", present: false, photos: 214, scannedMs: Date.now() - 700 * HOUR_MS },
  ];
  const whole: LibraryState = { path: LIBRARY, readOnly: null, photos: 12_480, files: 12_611, missing: 214, failed: 31, tags: 18_204, marked: 0, watched, bytes: 1_482_000_000 };
  switch (scenario) {
    case "empty":
      return { ...whole, photos: 0, files: 0, missing: 0, failed: 0, tags: 0, watched: [], bytes: 118_784 };
    case "readonly":
      return { ...whole, readOnly: "another Cliploupe has it open" };
    case "large":
      return { ...whole, photos: 1_000_000, files: 1_000_412, bytes: 58_300_000_000 };
    default:
      return whole;
  }
}
