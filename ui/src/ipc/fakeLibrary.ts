// The photos of the made-up library, by formula: a photo is its number, and everything else is worked out when it is asked for, so that
// a million of them cost a few bytes each. Filters really filter, searches really rank.
import type { PhotoList } from "./backend";
import type {
  CutOff, FilterMenu, HitExplained, LabelSettings, PhotoBest, PhotoFacts, PhotoFilter, PhotoQuery, PhotoRecord, PhotoStub, PhotoSummary, SearchTerm,
} from "./bindings";
import { failureAt, FITTING, random, SCENES, type Scene } from "./fakeData";
import { pictureOf } from "./fakePictures";
import { hash } from "./fakeScores";

/** What the photos see of the made-up shell. */
export interface Surroundings {
  settings(): LabelSettings;
  best(id: number): PhotoBest;
  tagsOf(id: number): string[];
  /** Photos with a tag, by tag. */
  tagged(): ReadonlyMap<string, ReadonlySet<number>>;
}

const HOME = "/home/ada/Pictures";
export const FOLDER = `${HOME}/2024 Summer`;
const CAMERAS = ["FUJIFILM X-T4", "Apple iPhone 15", "Canon EOS R6", "SONY ILCE-7M4"] as const;
const FIRST_YEAR = 2012;
const YEAR_MS = 31_556_952_000;
/** Exact scores of more photos than these would keep the page busy. */
const EXACT_MOST = 20_000;
/** Of photos that were there from the start, every so many has lost its file, and every so many lies in two places. */
const MISSING_EVERY = 61;
const DOUBLE_EVERY = 29;
const CUT_BEFORE_MARKS = 0.21;

export class FakeLibrary {
  #nextId = 1;
  /** Photos that were there when the window opened. */
  #old = 0;
  #paths = new Map<number, string>();
  #gone = new Set<number>();
  #read = new Set<number>();
  #scored = new Set<number>();
  #failed = new Set<number>();
  #scenes = new Uint8Array(0);
  #aspects = new Float32Array(0);
  /** By search, photos and whether they belong. */
  #marks = new Map<string, Map<number, boolean>>();

  constructor(
    readonly query: URLSearchParams,
    readonly around: Surroundings,
  ) {}

  /** Photos that are simply there, with scores. */
  settle(count: number): void {
    this.#old = count;
    this.#nextId = count + 1;
  }

  add(count: number, paths: readonly string[] = []): PhotoStub[] {
    return Array.from({ length: count }, (_, offset) => {
      const id = this.#nextId++;
      const path = paths[offset];
      if (path !== undefined) this.#paths.set(id, path);
      return this.stub(id);
    });
  }

  has(id: number): boolean {
    return id >= 1 && id < this.#nextId && !this.#gone.has(id);
  }

  get count(): number {
    return this.#nextId - 1 - this.#gone.size;
  }

  stub(id: number): PhotoStub {
    const given = this.#paths.get(id);
    const name = given?.split("/").at(-1) ?? failureAt(id)?.name ?? `DSC_${String(4000 + id).padStart(5, "0")}.jpg`;
    return { id, name, path: given ?? `${this.#folderOf(id)}/${name}` };
  }

  remove(ids: readonly number[]): void {
    for (const id of ids) this.#gone.add(id);
  }

  restore(ids: readonly number[]): PhotoStub[] {
    return ids.filter((id) => this.#gone.delete(id)).map((id) => this.stub(id));
  }

  read(ids: readonly number[]): void {
    for (const id of ids) this.#read.add(id);
  }

  score(ids: readonly number[]): number[] {
    const present = ids.filter((id) => this.has(id));
    for (const id of present) this.#scored.add(id);
    return present;
  }

  fail(id: number): void {
    this.#failed.add(id);
  }

  retry(ids: readonly number[]): void {
    for (const id of ids) this.#failed.delete(id);
  }

  get failures(): number[] {
    return [...this.#failed].filter((id) => this.has(id));
  }

  isScored(id: number): boolean {
    return this.has(id) && (this.#scored.has(id) || (id <= this.#old && failureAt(id) === null));
  }

  /** Photos with scores, at most so many. */
  scored(most: number): number[] {
    const found: number[] = [];
    for (let id = 1; id < this.#nextId && found.length < most; id++) if (this.isScored(id)) found.push(id);
    return found;
  }

  isMissing(id: number): boolean {
    return id <= this.#old && id % MISSING_EVERY === 7;
  }

  filesOf(id: number): { path: string; missingSinceMs: number | null }[] {
    const { path, name } = this.stub(id);
    const files = [{ path, missingSinceMs: this.isMissing(id) ? 1_752_000_000_000 : null }];
    if (id <= this.#old && id % DOUBLE_EVERY === 3) files.push({ path: `/media/backup/${name}`, missingSinceMs: id % 2 === 0 ? null : 1_740_000_000_000 });
    return files;
  }

  records(ids: readonly number[]): PhotoRecord[] {
    return ids.filter((id) => this.has(id)).map((id): PhotoRecord => {
      const problem = this.#failed.has(id) || (id <= this.#old && failureAt(id) !== null) ? (failureAt(id)?.problem ?? null) : null;
      const isScored = this.isScored(id);
      const isRead = isScored || this.#read.has(id);
      const { width, height } = pictureOf(id);
      return {
        ...this.stub(id), state: problem ? "failed" : isScored ? "labelled" : isRead ? "decoded" : "waiting", width: isRead ? width : 0, height: isRead ? height : 0,
        best: isScored ? this.around.best(id).best : [], problem, tags: this.around.tagsOf(id), missing: this.isMissing(id), files: this.filesOf(id).length,
      };
    });
  }

  facts(id: number): PhotoFacts {
    const { width, height } = pictureOf(id);
    return {
      width, height, format: "JPEG", bytes: 3_200_000 + (id % 997) * 7351, modifiedMs: this.#takenMs(id) + 60_000, takenMs: this.#takenMs(id),
      camera: CAMERAS[id % CAMERAS.length] ?? null, colour: "rgb", bits: 8, alpha: false, orientation: id % 5 === 0 ? 6 : 1,
    };
  }

  list(query: PhotoQuery): PhotoList {
    const begun = performance.now();
    this.#remember();
    const ids = this.#filtered(query.filter);
    const filtered = ids.length;
    const { shown, scores, cut } = query.search.length > 0 ? this.#found(query, ids) : { shown: this.#ordered(query, ids), scores: this.#orderScores(query, ids), cut: null };
    const aspects = Float32Array.from(shown, (id) => (this.isScored(id) || this.#read.has(id) ? (this.#aspects[id] ?? 0) : 0));
    const head = { count: shown.length, filtered, total: this.count, scored: scores !== null, cut, tookMs: performance.now() - begun };
    return { head, ids: shown, aspects, scores };
  }

  explain({ search, centred }: PhotoQuery, id: number): HitExplained {
    const terms = search.map((term) => {
      const cosine = this.#cosine(term, id, centred);
      return { cosine, adds: term.weight * cosine };
    });
    return { terms, score: terms.reduce((sum, { adds }) => sum + adds, 0), mark: this.#marks.get(JSON.stringify(search))?.get(id) ?? null };
  }

  mark({ search }: PhotoQuery, id: number, belongs: boolean | null): void {
    const key = JSON.stringify(search);
    const marks = this.#marks.get(key) ?? new Map<number, boolean>();
    if (belongs === null) marks.delete(id);
    else marks.set(id, belongs);
    this.#marks.set(key, marks);
  }

  summary(ids: readonly number[] | null): PhotoSummary {
    this.#remember();
    const all = ids ?? this.#filtered(null);
    const sample = all.length > EXACT_MOST ? all.slice(0, EXACT_MOST) : all;
    const times = all.length / Math.max(1, sample.length);
    const { labels, topK, threshold } = this.around.settings();
    const sums = labels.map((label) => ({ label, count: 0, mean: 0 }));
    let [labelled, bare] = [0, 0];
    for (const id of sample) {
      if (!this.isScored(id)) continue;
      labelled += 1;
      const given = this.around.best(id).best.slice(0, topK).filter(({ score }) => score >= threshold);
      if (given.length === 0) bare += 1;
      for (const { label, score } of given) {
        const sum = sums[label];
        if (sum) [sum.count, sum.mean] = [sum.count + 1, sum.mean + score];
      }
    }
    const within = ids === null ? null : new Set(ids);
    const tags = [...this.around.tagged()].map(([name, photos]) => ({ name, count: [...photos].filter((id) => within?.has(id) ?? this.has(id)).length }));
    const scaled = (count: number) => Math.round(count * times);
    return {
      photos: all.length, labelled: scaled(labelled), bare: scaled(bare),
      labels: sums.map(({ label, count, mean }) => ({ label, count: scaled(count), mean: count > 0 ? mean / count : 0 })),
      tags: tags.filter(({ count }) => count > 0).sort((a, b) => b.count - a.count),
    };
  }

  menu(): FilterMenu {
    this.#remember();
    const [cameras, folders, years] = [new Map<string, number>(), new Map<string, number>(), new Map<number, number>()];
    const count = <Key>(of: Map<Key, number>, key: Key) => of.set(key, (of.get(key) ?? 0) + 1);
    let missing = 0;
    for (const id of this.#filtered(null)) {
      count(cameras, CAMERAS[id % CAMERAS.length] ?? "");
      count(folders, this.#folderOf(id));
      count(years, new Date(this.#takenMs(id)).getUTCFullYear());
      if (this.isMissing(id)) missing += 1;
    }
    const tagged = new Set([...this.around.tagged().values()].flatMap((photos) => [...photos]));
    const choices = (of: Map<string, number>) => [...of].map(([name, photos]) => ({ name, count: photos }));
    return {
      cameras: choices(cameras).sort((a, b) => b.count - a.count), folders: choices(folders).sort((a, b) => a.name.localeCompare(b.name)),
      years: [...years].map(([year, photos]) => ({ year, count: photos })).sort((a, b) => b.year - a.year),
      tags: [...this.around.tagged()].filter(([, photos]) => photos.size > 0).map(([name, photos]) => ({ name, count: photos.size })).sort((a, b) => a.name.localeCompare(b.name)),
      missing, untagged: this.count - tagged.size,
    };
  }

  #filtered(filter: PhotoFilter | null): Uint32Array {
    const passes = filter ? this.#test(filter) : () => true;
    const found = new Uint32Array(this.#nextId);
    let count = 0;
    for (let id = 1; id < this.#nextId; id++) if (!this.#gone.has(id) && passes(id)) found[count++] = id;
    return found.slice(0, count);
  }

  #test(filter: PhotoFilter): (id: number) => boolean {
    const words = filter.text.toLocaleLowerCase().split(/\s+/u).filter(Boolean);
    const tagged = (tag: string) => [...this.around.tagged()].filter(([name]) => name === tag || name.startsWith(`${tag}/`)).map(([, photos]) => photos);
    const [withTags, withoutTags] = [filter.tags.map(tagged), filter.withoutTags.flatMap(tagged)];
    const any = filter.untagged ? [...this.around.tagged().values()] : [];
    const { camera, folder, missing, takenFromMs, takenToMs } = filter;
    return (id) =>
      (camera === null || CAMERAS[id % CAMERAS.length] === camera)
      && (folder === null || this.#folderOf(id) === folder || this.#folderOf(id).startsWith(`${folder}/`))
      && (missing === null || this.isMissing(id) === missing)
      && (takenFromMs === null || this.#takenMs(id) >= takenFromMs)
      && (takenToMs === null || this.#takenMs(id) < takenToMs)
      && withTags.every((sets) => sets.some((photos) => photos.has(id)))
      && !withoutTags.some((photos) => photos.has(id))
      && !any.some((photos) => photos.has(id))
      && filter.labels.every((label) => this.#isGiven(id, label))
      && words.every((word) => this.#says(id, word));
  }

  #isGiven(id: number, label: string): boolean {
    if (!this.isScored(id)) return false;
    if (this.count > EXACT_MOST) return (FITTING[this.#sceneOf(id)][label] ?? -1) > 0;
    const { labels, topK, threshold } = this.around.settings();
    return this.around.best(id).best.slice(0, topK).some((best) => labels[best.label] === label && best.score >= threshold);
  }

  #says(id: number, word: string): boolean {
    const { path } = this.stub(id);
    if (path.toLocaleLowerCase().includes(word) || this.around.tagsOf(id).some((tag) => tag.toLocaleLowerCase().includes(word))) return true;
    return this.around.settings().labels.some((label) => label.toLocaleLowerCase().includes(word) && this.#isGiven(id, label));
  }

  #ordered({ order, descending }: PhotoQuery, ids: Uint32Array): Uint32Array {
    const sign = descending ? -1 : 1;
    if (order.by === "score") return ids.toSorted((a, b) => -sign * (this.#labelScore(a, order.label) - this.#labelScore(b, order.label)));
    if (order.by === "taken") return ids.toSorted((a, b) => sign * (this.#takenMs(a) - this.#takenMs(b)));
    if (order.by === "name") {
      const names = new Map([...ids].map((id) => [id, this.stub(id).name]));
      return ids.toSorted((a, b) => sign * (names.get(a) ?? "").localeCompare(names.get(b) ?? "", undefined, { numeric: true }));
    }
    return descending ? ids.toReversed() : ids;
  }

  #orderScores(query: PhotoQuery, ids: Uint32Array): Float32Array | null {
    const { order } = query;
    return order.by === "score" ? Float32Array.from(this.#ordered(query, ids), (id) => this.#labelScore(id, order.label)) : null;
  }

  #labelScore(id: number, label: string): number {
    return 1 / (1 + Math.exp(5 - 2 * (FITTING[this.#sceneOf(id)][label] ?? 0) - random(id + hash(label))()));
  }

  #found({ search, centred, pastCut }: PhotoQuery, ids: Uint32Array): { shown: Uint32Array; scores: Float32Array; cut: CutOff } {
    const scored = new Map<number, number>();
    for (const id of ids) if (this.isScored(id)) scored.set(id, search.reduce((sum, term) => sum + term.weight * this.#cosine(term, id, centred), 0));
    const order = Uint32Array.from(scored.keys()).sort((a, b) => (scored.get(b) ?? 0) - (scored.get(a) ?? 0));
    const marks = [...(this.#marks.get(JSON.stringify(search)) ?? [])].flatMap(([id, belongs]) => (scored.has(id) ? [{ score: scored.get(id) ?? 0, belongs }] : []));
    const score = cutFrom(marks, (centred ? 0 : CUT_BEFORE_MARKS) * search.reduce((sum, { weight }) => sum + (weight > 0 ? weight : 0.6 * weight), 0));
    const kept = order.findIndex((id) => (scored.get(id) ?? 0) < score);
    const cut = { score, kept: kept < 0 ? order.length : kept, marks: marks.length };
    const shown = pastCut ? order : order.slice(0, cut.kept);
    return { shown, scores: Float32Array.from(shown, (id) => scored.get(id) ?? 0), cut };
  }

  /** Pictures and words keep apart from each other; centring takes that away. */
  #cosine(term: SearchTerm, id: number, centred: boolean): number {
    const scene = this.#sceneOf(id);
    const noise = (random(id * 31 + (term.kind === "text" ? hash(term.text) : term.id))() - 0.5) * 0.08;
    if (term.kind === "photo") return id === term.id ? 1 : (scene === this.#sceneOf(term.id) ? 0.71 : 0.44) + noise - (centred ? 0.42 : 0);
    const fit = Math.max(...term.text.toLocaleLowerCase().split(/\s+/u).map((word) => FITTING[scene][word] ?? -1.2));
    return 0.17 + fit * 0.032 + noise - (centred ? 0.14 + (SCENES.indexOf(scene) - 3.5) * 0.008 : 0);
  }

  #sceneOf(id: number): Scene {
    return SCENES[this.#scenes[id] ?? 0] ?? "beach";
  }

  /** What is on each photo, and its shape, so that a question about all of them takes no second. */
  #remember(): void {
    const known = this.#scenes.length;
    if (known >= this.#nextId) return;
    const scenes = new Uint8Array(this.#nextId);
    const aspects = new Float32Array(this.#nextId);
    scenes.set(this.#scenes);
    aspects.set(this.#aspects);
    for (let id = known; id < this.#nextId; id++) {
      const { scene, width, height } = pictureOf(id);
      scenes[id] = SCENES.indexOf(scene);
      aspects[id] = width / height;
    }
    this.#scenes = scenes;
    this.#aspects = aspects;
  }

  /** Folders named after what is on their photos, which makes classes of them. */
  #folderOf(id: number): string {
    if (this.query.get("classes") === "none") return FOLDER;
    return `${FOLDER}/${id < this.#scenes.length ? this.#sceneOf(id) : pictureOf(id).scene}`;
  }

  #takenMs(id: number): number {
    return Date.UTC(FIRST_YEAR, 0) + ((id * 7919) % 12_000) * (YEAR_MS / 1000) + (id % 86_400) * 1000;
  }
}

/** Between what belongs and what does not, as marks move it. */
function cutFrom(marks: readonly { score: number; belongs: boolean }[], prior: number): number {
  const wrong = marks.filter(({ belongs }) => !belongs).map(({ score }) => score);
  const right = marks.filter(({ belongs }) => belongs).map(({ score }) => score);
  const least = Math.min(prior, ...right);
  const most = Math.max(-Infinity, ...wrong);
  return Math.max(least, Math.min(most + 0.001, ...right.map((score) => score)));
}
