// All photos in the order they came, kept up to date from the shell's events.
import type { BestLabel, Failure, PhotoBest, PhotoDecoded, PhotoRecord, PhotoStub } from "../ipc/bindings";
import type { Photo, Score } from "./photo";

/** Scores can lag behind the label list by some edits; older versions than this many are forgotten. */
const VERSIONS_KEPT = 64;

export class PhotoTable {
  #photos: Photo[] = [];
  #indexById = new Map<number, number>();
  #failures = new Map<number, Failure>();
  #labelsByVersion = new Map<number, readonly string[]>();
  #newestVersion = 0;

  /** A fresh list, so that whoever compares by identity sees the change. */
  photos(): Photo[] {
    return this.#photos.slice();
  }

  failures(): Failure[] {
    return [...this.#failures.values()];
  }

  get(id: number): Photo | undefined {
    const index = this.#indexById.get(id);
    return index === undefined ? undefined : this.#photos[index];
  }

  reset(records: readonly PhotoRecord[], labelsVersion: number): void {
    this.#failures.clear();
    this.#photos = records.map((record) => ({
      ...record,
      best: this.#named(record.best, labelsVersion),
      scoredFor: labelsVersion,
      outdated: false,
    }));
    this.#reindex();
    for (const { id, name, path, problem } of records) {
      if (problem) this.#failures.set(id, { id, name, path, problem });
    }
  }

  add(stubs: readonly PhotoStub[]): void {
    for (const stub of stubs) {
      if (this.#indexById.has(stub.id)) continue;
      this.#indexById.set(stub.id, this.#photos.length);
      this.#photos.push({ ...stub, state: "waiting", width: 0, height: 0, best: [], scoredFor: 0, outdated: false, problem: null });
    }
  }

  decoded(photos: readonly PhotoDecoded[]): void {
    for (const { id, width, height } of photos) {
      this.#change(id, (photo) => ({
        ...photo, width, height, problem: null, state: photo.state === "labelled" ? "labelled" : "decoded",
      }));
      this.#failures.delete(id);
    }
  }

  /** Label indexes in later `scored` calls refer to the list of their version. */
  useLabels(version: number, labels: readonly string[]): void {
    this.#labelsByVersion.set(version, labels);
    this.#newestVersion = Math.max(this.#newestVersion, version);
    for (const known of this.#labelsByVersion.keys()) {
      if (known < this.#newestVersion - VERSIONS_KEPT) this.#labelsByVersion.delete(known);
    }
  }

  scored(version: number, photos: readonly PhotoBest[]): void {
    for (const { id, best } of photos) {
      this.#change(id, (photo) =>
        photo.scoredFor > version
          ? photo
          : { ...photo, state: "labelled", best: this.#named(best, version), scoredFor: version, outdated: false, problem: null },
      );
      this.#failures.delete(id);
    }
  }

  /** Files that never became a photo (a broken link in a folder) are failures without a cell. */
  failed(failures: readonly Failure[]): void {
    for (const failure of failures) {
      this.#failures.set(failure.id, failure);
      this.#change(failure.id, (photo) => ({ ...photo, state: "failed", outdated: false, problem: failure.problem }));
    }
  }

  /** Another model computes now: what there is stays, marked, until its own results are there. */
  outdate(): void {
    this.#photos = this.#photos.map((photo) => (photo.state === "labelled" ? { ...photo, outdated: true } : photo));
  }

  /** Puts photos back to where they wait: failed ones for another try, all of them for another model. */
  retried(ids: readonly number[]): void {
    for (const id of ids) {
      this.#failures.delete(id);
      this.#change(id, (photo) => ({ ...photo, state: photo.width > 0 ? "decoded" : "waiting", best: [], scoredFor: 0, outdated: false, problem: null }));
    }
  }

  removed(ids: readonly number[]): void {
    const gone = new Set(ids);
    for (const id of ids) this.#failures.delete(id);
    this.#photos = this.#photos.filter((photo) => !gone.has(photo.id));
    this.#reindex();
  }

  /** Photos that a cancelled run left without labels. */
  unfinished(): number[] {
    return this.#photos.filter((photo) => photo.state === "waiting" || photo.state === "decoded").map((photo) => photo.id);
  }

  outdatedCount(): number {
    return this.#photos.reduce((count, photo) => count + Number(photo.outdated), 0);
  }

  #change(id: number, change: (photo: Photo) => Photo): void {
    const index = this.#indexById.get(id);
    const photo = index === undefined ? undefined : this.#photos[index];
    if (index !== undefined && photo) this.#photos[index] = change(photo);
  }

  #named(best: readonly BestLabel[], version: number): Score[] {
    const labels = this.#labelsByVersion.get(version) ?? [];
    return best.flatMap(({ label, score }) => {
      const name = labels[label];
      return name === undefined ? [] : [{ label: name, score }];
    });
  }

  #reindex(): void {
    this.#indexById = new Map(this.#photos.map((photo, index) => [photo.id, index]));
  }
}
