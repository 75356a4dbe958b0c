// Decisions as they are made: seen at once, sent one after the other in the order of the hand, and taken back where one could not
// be kept. Undo and redo go the same way.
import { SvelteMap } from "svelte/reactivity";
import type { ReviewBackend } from "../ipc/reviewBackend";
import type { Problem, ReviewVerdict, StepDone } from "../ipc/bindings";
import { problemFrom } from "../model/problems";
import { pairKey, valueOf } from "../model/review";

/** So many decisions can be taken back before the answer of the shell is waited for. */
const REMEMBERED = 1000;

/** Accepted, rejected, or open again. */
export type Value = boolean | null;

/** A step of the person. */
export interface Made {
  label: string;
  /** Empty where the shell alone knows which. */
  photos: readonly number[];
  verdict: ReviewVerdict;
  /** What was known of each photo before. */
  before: (Value | undefined)[];
  isLost: boolean;
  /** When the shell had it, by the clock of this window's steps; infinite while it is on its way. */
  finished: number;
}

export interface NotKept {
  made: Made;
  problem: Problem;
}

export interface Listener {
  /** A new step of this window. */
  onmade(made: Made): void;
  /** A decision is seen, or is seen no more. */
  onvalue(key: string, now: Value | undefined, before: Value | undefined): void;
  /** A step was taken back, or done again, by the shell; `made` when it was one of this window and all of it. */
  onstep(way: "undo" | "redo", done: StepDone, made: Made | null): void;
  onproblem(problem: Problem): void;
}

export class Decisions {
  /** Commands on their way. */
  pending = $state(0);
  /** Decisions that could not be kept, oldest first. */
  notKept: readonly NotKept[] = $state.raw([]);
  #values = new SvelteMap<string, Value>();
  /** The step that each value comes from: what a lost step restores is only its own. */
  #owners = new Map<string, Made>();
  #done: Made[] = [];
  #undone: Made[] = [];
  #chain: Promise<unknown> = Promise.resolve();
  #clock = 0;

  constructor(
    readonly backend: ReviewBackend,
    readonly listener: Listener,
  ) {}

  /** What was decided in this window; undefined where nothing was. */
  of(photo: number, label: string): Value | undefined {
    return this.#values.get(pairKey(photo, label));
  }

  isDecided(photo: number, label: string): boolean {
    return typeof this.of(photo, label) === "boolean";
  }

  get canUndo(): boolean {
    return this.#done.length > 0;
  }

  get canRedo(): boolean {
    return this.#undone.length > 0;
  }

  /** One step, seen at once. Resolves with whether it was kept. */
  decide(photos: readonly number[], label: string, verdict: ReviewVerdict): Promise<boolean> {
    const made = this.#made(photos, label, verdict);
    for (const photo of photos) this.#set(photo, made, valueOf(verdict));
    this.#remember(made);
    this.listener.onmade(made);
    return this.#queue(async () => {
      try {
        await this.backend.decide([...photos], label, verdict);
        made.finished = ++this.#clock;
        return true;
      } catch (reason) {
        this.#lose(made, problemFrom(reason));
        return false;
      }
    });
  }

  /** A step of which the shell alone knows the photos. Resolves with what it answers; null when it failed. */
  run<T>(label: string, command: () => Promise<T>): Promise<T | null> {
    const made = this.#made([], label, "accept");
    return this.#queue(async () => {
      try {
        const answer = await command();
        this.#remember(made);
        return answer;
      } catch (reason) {
        this.listener.onproblem(problemFrom(reason));
        return null;
      }
    });
  }

  /** Gives the step that is taken back at once, if it is one of this window. */
  undo(): Made | null {
    const made = this.#done.pop() ?? null;
    if (made) this.#restore(made);
    void this.#queue(() => this.#step("undo", made));
    return made;
  }

  redo(): Made | null {
    const made = this.#undone.pop() ?? null;
    if (made) {
      made.finished = Infinity;
      this.#again(made);
    }
    void this.#queue(() => this.#step("redo", made));
    return made;
  }

  /** The time, for `settle`. */
  now(): number {
    return this.#clock;
  }

  /** What waits by the shell's word is open, unless it was asked at a time when the shell did not have the newest decision. */
  settle(key: string, askedAt: number): void {
    if ((this.#owners.get(key)?.finished ?? 0) <= askedAt) this.#put(key, undefined);
  }

  tryAgain(): void {
    const again = this.notKept;
    this.notKept = [];
    for (const { made } of again) void this.decide(made.photos, made.label, made.verdict);
  }

  dismiss(): void {
    this.notKept = [];
  }

  /** Nothing is known any more, such as after a tag was renamed. */
  forget(): void {
    this.#values.clear();
    this.#owners.clear();
  }

  #made(photos: readonly number[], label: string, verdict: ReviewVerdict): Made {
    return { label, photos: [...photos], verdict, before: photos.map((photo) => this.of(photo, label)), isLost: false, finished: Infinity };
  }

  #remember(made: Made): void {
    this.#undone = [];
    this.#done.push(made);
    if (this.#done.length > REMEMBERED) this.#done.shift();
  }

  async #step(way: "undo" | "redo", made: Made | null): Promise<void> {
    // It never reached the shell, and the newest step there is another one.
    if (made?.isLost) return;
    let done: StepDone | null;
    try {
      done = await (way === "undo" ? this.backend.undo() : this.backend.redo());
    } catch (reason) {
      if (made) this.#putBack(way, made);
      return this.listener.onproblem(problemFrom(reason));
    }
    if (made) made.finished = ++this.#clock;
    const isIt = done !== null && made !== null && isStep(made, done);
    if (made && isIt) (way === "undo" ? this.#undone : this.#done).push(made);
    else if (made) this.#putBack(way, made);
    if (!done) return;
    const label = done.step.label;
    const isWhole = isIt && done.skipped === 0 && made.photos.length > 0;
    if (!isWhole && label !== null) for (const photo of [...done.photos, ...(isIt ? made.photos : [])]) this.#put(pairKey(photo, label), undefined);
    this.listener.onstep(way, done, isWhole ? made : null);
  }

  /** The shell did not do what was seen already. */
  #putBack(way: "undo" | "redo", made: Made): void {
    if (way === "undo") this.#again(made);
    else this.#restore(made);
    (way === "undo" ? this.#done : this.#undone).push(made);
  }

  #lose(made: Made, problem: Problem): void {
    made.isLost = true;
    this.#forgetAsBefore(made);
    this.#done = this.#done.filter((other) => other !== made);
    this.#restore(made);
    this.notKept = [...this.notKept, { made, problem }];
  }

  /** What came after it on the same photo would otherwise go back to what never was. */
  #forgetAsBefore(made: Made): void {
    const at = this.#done.indexOf(made);
    const later = at < 0 ? [] : [...this.#done.slice(at + 1), ...this.#undone.toReversed()].filter(({ label }) => label === made.label);
    made.photos.forEach((photo, index) => {
      const next = later.find(({ photos }) => photos.includes(photo));
      if (next) next.before[next.photos.indexOf(photo)] = made.before[index];
    });
  }

  #again(made: Made): void {
    for (const photo of made.photos) this.#set(photo, made, valueOf(made.verdict));
  }

  #restore(made: Made): void {
    made.photos.forEach((photo, index) => {
      const key = pairKey(photo, made.label);
      if (this.#owners.get(key) === made) this.#put(key, made.before[index]);
    });
  }

  #set(photo: number, made: Made, value: Value): void {
    const key = pairKey(photo, made.label);
    this.#put(key, value);
    this.#owners.set(key, made);
  }

  #put(key: string, value: Value | undefined): void {
    const before = this.#values.get(key);
    this.#owners.delete(key);
    if (value === undefined) this.#values.delete(key);
    else this.#values.set(key, value);
    if (before !== value) this.listener.onvalue(key, value, before);
  }

  #queue<T>(command: () => Promise<T>): Promise<T> {
    this.pending += 1;
    const next = this.#chain.then(command).finally(() => (this.pending -= 1));
    this.#chain = next;
    return next;
  }
}

/** Whether the shell took back, or did again, what this window thought it would. */
function isStep(made: Made, { step, photos }: StepDone): boolean {
  if (made.photos.length === 0) return true;
  const known = new Set(made.photos);
  return step.label === made.label && photos.every((photo) => known.has(photo));
}
