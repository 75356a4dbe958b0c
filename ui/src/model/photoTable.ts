// What is known of the photos that were looked at: a bounded table, kept up to date from the shell's events. The rest is the shell's.
import type { BestLabel, Failure, PhotoBest, PhotoDecoded, PhotoRecord, PhotoStub } from "../ipc/bindings";
import { IdSet } from "./idSet";
import type { Photo, Score } from "./photo";

/** Many times what fits on a screen, and a few megabytes. */
export const RECORDS_KEPT = 6000;
/** Scores can lag behind the label list by some edits; older versions than this many are forgotten. */
const VERSIONS_KEPT = 64;

/** Where records are kept; one that tells who looks at a record when it changes, in the window. */
export interface Shelf {
  get(id: number): Photo | undefined;
  set(id: number, photo: Photo): unknown;
  delete(id: number): unknown;
}

export class PhotoTable {
  #shelf: Shelf;
  #most: number;
  /** Ids with a record, the one seen longest ago first. */
  #seen = new Set<number>();
  /** Ids whose record is shown but has to be asked for again. */
  #stale = new Set<number>();
  #labelsByVersion = new Map<number, readonly string[]>();
  #newestVersion = 0;
  /** The version that the label numbers in records belong to. */
  #recordsVersion = 0;
  /** Photos with scores of what computes now, while some still have those of before. */
  #scoredAnew: IdSet | null = null;

  constructor(shelf: Shelf = new Map<number, Photo>(), most = RECORDS_KEPT) {
    this.#shelf = shelf;
    this.#most = most;
  }

  get size(): number {
    return this.#seen.size;
  }

  get recordsVersion(): number {
    return this.#recordsVersion;
  }

  get(id: number): Photo | undefined {
    if (this.#seen.delete(id)) this.#seen.add(id);
    return this.#shelf.get(id);
  }

  /** Whether a record has to be asked for. */
  needs(id: number): boolean {
    return this.#stale.has(id) || !this.#seen.has(id);
  }

  /** Records as the shell answers them. `version`: that of their label numbers, when they were asked for. */
  put(records: readonly PhotoRecord[], version = this.#recordsVersion): void {
    for (const record of records) {
      const before = this.#shelf.get(record.id);
      // Scores that were told meanwhile for a newer list win over the ones on the way.
      const isLate = before !== undefined && before.scoredFor > version && before.state === "labelled";
      this.#set({
        ...record,
        best: isLate ? before.best : this.#named(record.best, version),
        scoredFor: isLate ? before.scoredFor : version,
        outdated: record.state === "labelled" && this.#scoredAnew !== null && !this.#scoredAnew.has(record.id),
      });
      this.#stale.delete(record.id);
    }
  }

  /** A record of which nothing is known yet but what a photo is called. */
  add(stubs: readonly PhotoStub[]): void {
    for (const stub of stubs.slice(-this.#most)) {
      if (this.#seen.has(stub.id)) continue;
      this.#set({ ...stub, state: "waiting", width: 0, height: 0, best: [], scoredFor: 0, outdated: false, problem: null, tags: [], missing: false, files: 1 });
      // It may be known to the library already, with tags and scores.
      this.#stale.add(stub.id);
    }
  }

  decoded(photos: readonly PhotoDecoded[]): void {
    for (const { id, width, height } of photos) {
      this.#change(id, (photo) => ({ ...photo, width, height, problem: null, state: photo.state === "labelled" ? "labelled" : "decoded" }));
    }
  }

  /** Label numbers in later `scored` calls refer to the list of their version. */
  useLabels(version: number, labels: readonly string[]): void {
    this.#labelsByVersion.set(version, labels);
    this.#newestVersion = Math.max(this.#newestVersion, version);
    for (const known of this.#labelsByVersion.keys()) {
      if (known < this.#newestVersion - VERSIONS_KEPT) this.#labelsByVersion.delete(known);
    }
  }

  scored(version: number, photos: readonly PhotoBest[]): void {
    if (this.#scoredAnew) this.#scoredAnew = this.#scoredAnew.with(photos.map(({ id }) => id));
    for (const { id, best } of photos) {
      this.#change(id, (photo) =>
        photo.scoredFor > version
          ? photo
          : { ...photo, state: "labelled", best: this.#named(best, version), scoredFor: version, outdated: false, problem: null },
      );
    }
  }

  /** All scores are of another label list now: records keep what they have until they are asked for again. */
  rescored(version: number): void {
    this.#recordsVersion = version;
    this.invalidate();
  }

  /** Records that say something else now; all of them where no ids are given. */
  invalidate(ids: Iterable<number> = this.#seen): void {
    for (const id of ids) {
      if (this.#seen.has(id)) this.#stale.add(id);
    }
  }

  failed(failures: readonly Failure[]): void {
    for (const { id, problem } of failures) {
      this.#change(id, (photo) => ({ ...photo, state: "failed", outdated: false, problem }));
    }
  }

  /** Another model computes now: what there is stays, marked, until its own results are there. */
  outdate(): void {
    this.#scoredAnew = IdSet.EMPTY;
    this.#each((photo) => (photo.state === "labelled" ? { ...photo, outdated: true } : photo));
  }

  /** Every photo has results of what computes now. */
  settled(): void {
    if (!this.#scoredAnew) return;
    this.#scoredAnew = null;
    this.#each((photo) => (photo.outdated ? { ...photo, outdated: false } : photo));
  }

  /** Puts photos back to where they wait: failed ones for another try, all of them for another model. */
  waiting(ids: readonly number[]): void {
    for (const id of ids) {
      this.#change(id, (photo) => ({ ...photo, state: photo.width > 0 ? "decoded" : "waiting", best: [], scoredFor: 0, outdated: false, problem: null }));
    }
  }

  removed(ids: Iterable<number>): void {
    for (const id of ids) this.#forget(id);
  }

  #each(change: (photo: Photo) => Photo): void {
    for (const id of [...this.#seen]) this.#change(id, change);
  }

  #change(id: number, change: (photo: Photo) => Photo): void {
    const photo = this.#shelf.get(id);
    if (!photo) return;
    const next = change(photo);
    if (next !== photo) this.#shelf.set(id, next);
  }

  #set(photo: Photo): void {
    this.#seen.delete(photo.id);
    this.#seen.add(photo.id);
    this.#shelf.set(photo.id, photo);
    for (const oldest of this.#seen) {
      if (this.#seen.size <= this.#most) break;
      this.#forget(oldest);
    }
  }

  #forget(id: number): void {
    this.#seen.delete(id);
    this.#stale.delete(id);
    this.#shelf.delete(id);
  }

  #named(best: readonly BestLabel[], version: number): Score[] {
    const labels = this.#labelsByVersion.get(version) ?? [];
    return best.flatMap(({ label, score }) => {
      const name = labels[label];
      return name === undefined ? [] : [{ label: name, score }];
    });
  }
}
