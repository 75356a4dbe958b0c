// Photos that are nearly the same, and those that are like no other; and the marks that a person sets on either.
import type { Backend } from "../ipc/backend";
import type { NearReport, Outlier } from "../ipc/bindings";
import { besideKept, COSINE, groupsWithMarks, withMarks, type Place } from "../model/shelfNear";
import { Asked } from "./asked.svelte";

/** A slider is let go of before anything is asked. */
const QUIET_MS = 350;
/** In a larger library the search takes so long that a person begins it. */
const BY_ITSELF = 50_000;

export const OUTLIER_COUNTS = [50, 100, 200, 500] as const;

type Marks = Map<number, boolean>;

export class Alike {
  readonly near = new Asked<NearReport>();
  readonly outliers = new Asked<Outlier[]>();
  minCosine: number = $state(COSINE.first);
  /** The cosine that the groups on the screen were found with. */
  foundWith: number | null = $state(null);
  top: number = $state(100);
  /** Where the keyboard is. */
  place: Place = $state.raw({ group: 0, photo: 0 });
  outlierAt = $state(0);
  /** What the two pictures side by side are of. */
  comparing: "near" | "outlier" | null = $state(null);
  /** Photos came or went since. */
  isNearOutdated = $state(false);
  areOutliersOutdated = $state(false);

  #quiet: ReturnType<typeof setTimeout> | undefined;
  /** Marks set while an answer is on its way, which may not know of them. */
  #underWay = new Set<Marks>();

  constructor(readonly backend: Backend) {}

  showNear(photos: number): void {
    if (photos <= BY_ITSELF && !this.near.value && !this.near.problem && !this.near.isLoading) this.searchNear();
  }

  showOutliers(photos: number): void {
    if (photos <= BY_ITSELF && !this.outliers.value && !this.outliers.problem && !this.outliers.isLoading) this.searchOutliers();
  }

  /** The groups follow when the slider has come to rest, if there were any before. */
  setMinCosine(value: number): void {
    this.minCosine = value;
    clearTimeout(this.#quiet);
    if (this.near.value || this.near.isLoading) this.#quiet = setTimeout(() => this.searchNear(), QUIET_MS);
  }

  searchNear(): void {
    clearTimeout(this.#quiet);
    this.isNearOutdated = false;
    const cosine = this.minCosine;
    void this.near.ask(() =>
      this.#withMarksSetMeanwhile(this.backend.shelf.nearDuplicates(cosine), (report, marks) => {
        this.foundWith = cosine;
        this.place = { group: 0, photo: 0 };
        return { ...report, groups: inEach(report.groups, marks, groupsWithMarks) };
      }),
    );
  }

  setTop(top: number): void {
    this.top = top;
    this.searchOutliers();
  }

  searchOutliers(): void {
    this.areOutliersOutdated = false;
    const { top } = this;
    void this.outliers.ask(() =>
      this.#withMarksSetMeanwhile(this.backend.shelf.outliers(top), (found, marks) => {
        this.outlierAt = 0;
        return inEach(found, marks, (rows, ids, marked) => [...withMarks(rows, ids, marked)]);
      }),
    );
  }

  outdate(): void {
    this.isNearOutdated = this.near.value !== null;
    this.areOutliersOutdated = this.outliers.value !== null;
  }

  /** Marks photos to be set aside, or takes the mark away, wherever they are on the screen. */
  async mark(ids: readonly number[], marked: boolean): Promise<void> {
    await this.backend.shelf.mark([...ids], marked);
    for (const marks of this.#underWay) for (const id of ids) marks.set(id, marked);
    const changed = new Set(ids);
    if (this.near.value) this.near.value = { ...this.near.value, groups: groupsWithMarks(this.near.value.groups, changed, marked) };
    if (this.outliers.value) this.outliers.value = [...withMarks(this.outliers.value, changed, marked)];
  }

  /** Puts the photo at `place` beside the one to keep. */
  compareNear(place: Place): void {
    this.place = besideKept(place);
    this.comparing = "near";
  }

  compareOutlier(at: number): void {
    this.outlierAt = at;
    this.comparing = "outlier";
  }

  async #withMarksSetMeanwhile<T>(answer: Promise<T>, put: (value: T, marks: Marks) => T): Promise<T> {
    const marks: Marks = new Map();
    this.#underWay.add(marks);
    try {
      return put(await answer, marks);
    } finally {
      this.#underWay.delete(marks);
    }
  }
}

function inEach<T>(rows: T[], marks: Marks, change: (rows: T[], ids: ReadonlySet<number>, marked: boolean) => T[]): T[] {
  const having = (wanted: boolean) => new Set([...marks].flatMap(([id, marked]) => (marked === wanted ? [id] : [])));
  return marks.size === 0 ? rows : change(change(rows, having(true), true), having(false), false);
}
