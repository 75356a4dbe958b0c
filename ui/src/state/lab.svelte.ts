// The stack of edits, and what it does. Changes are shown at once and sent one at a time: while one is under way only the newest
// of those that follow is kept, so a slider never runs ahead of what it moves.
import type { Backend } from "../ipc/backend";
import type { Edit, EditKind, EngineStatus, LabEffect, LabState, Problem, WorkbenchEvent } from "../ipc/bindings";
import { inForce, moved, NO_LAB, withChange, withNew, without } from "../model/lab";
import { problemFrom } from "../model/problems";

/** Photos come in batches; what the edits do to them is asked for when it has been quiet this long. */
const QUIET_MS = 400;

export class Lab {
  state: LabState = $state.raw(NO_LAB);
  /** What the edits in force do; of before while newer ones are under way. */
  effect: LabEffect | null = $state.raw(null);
  /** Why there is no effect. */
  problem: Problem | null = $state.raw(null);
  /** Whether edits are on their way. */
  isWorking = $state(false);
  /** Rises with every effect, so that what follows from it is asked for again. */
  revision = $state(0);

  /** The stack as the person sees it: ahead of the shell by the call under way. */
  #draft: readonly Edit[] | null = $state.raw(null);
  /** The edits that were on before all were switched off. */
  #setAside: readonly Edit[] | null = $state.raw(null);
  #wanted: Edit[] | null = null;
  #chain: Promise<void> = Promise.resolve();
  #queued = 0;
  #watchers = 0;
  #isStale = true;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #computes: string | null = null;
  #labelsVersion = 0;

  constructor(
    readonly backend: Backend,
    readonly onProblem: (problem: Problem) => void,
  ) {}

  edits: readonly Edit[] = $derived.by(() => this.#draft ?? this.state.edits);
  inForce: readonly Edit[] = $derived.by(() => inForce({ edits: [...this.edits], problems: this.state.problems }));
  /** Whether all edits are switched off for comparison. */
  isOff = $derived(this.#setAside !== null && this.edits.length > 0 && this.edits.every((edit) => !edit.enabled));

  problemOf(id: number): Problem | null {
    return this.state.problems.find((found) => found.id === id)?.problem ?? null;
  }

  add(what: EditKind): number {
    const edits = withNew(this.edits, what);
    void this.change(edits);
    return edits.at(-1)?.id ?? 0;
  }

  alter(id: number, change: Partial<Omit<Edit, "id">>): void {
    void this.change(withChange(this.edits, id, change));
  }

  remove(id: number): void {
    void this.change(without(this.edits, id));
  }

  move(from: number, to: number): void {
    if (to >= 0 && to < this.edits.length && from !== to) void this.change(moved(this.edits, from, to));
  }

  /** Shows the stack at once; resolves when it, or a newer one, is in force. */
  change(edits: readonly Edit[]): Promise<void> {
    this.#setAside = null;
    return this.#send(edits);
  }

  /** Switches all edits off, to see the photos without them. */
  async setAside(): Promise<void> {
    if (this.isOff || this.inForce.length === 0) return;
    const before = this.edits;
    this.#setAside = before;
    await this.#send(before.map((edit) => ({ ...edit, enabled: false })));
  }

  /** Switches on again what was on. Undoing leaves no trace of the comparison in the history; it works unless that step was lost. */
  async bringBack(): Promise<void> {
    const before = this.#setAside;
    if (!this.isOff || before === null) return;
    await this.#chain;
    this.#setAside = null;
    if (this.state.canUndo) await this.undo();
    else await this.#send(before);
    if (this.edits.every((edit) => !edit.enabled)) await this.#send(before);
  }

  undo(): Promise<void> {
    return this.#act(() => this.backend.undoEdit());
  }

  redo(): Promise<void> {
    return this.#act(() => this.backend.redoEdit());
  }

  open(name: string): Promise<void> {
    return this.#act(() => this.backend.loadEdits(name));
  }

  /** Whether the stack was saved. */
  async save(name: string): Promise<boolean> {
    await this.#chain;
    return this.#try(() => this.backend.saveEdits(name));
  }

  async forget(name: string): Promise<void> {
    await this.#try(() => this.backend.forgetEdits(name));
  }

  /** While something shows the effect, it is kept up to date. Gives what ends that. */
  watch(): () => void {
    this.#watchers += 1;
    if (this.#isStale) void this.refresh();
    return () => {
      this.#watchers -= 1;
    };
  }

  async refresh(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isStale = false;
    // Photos that came or went are other classes.
    await this.#load();
    try {
      this.#use(await this.backend.labEffect());
    } catch (reason) {
      this.effect = null;
      this.problem = problemFrom(reason);
    }
  }

  apply(event: WorkbenchEvent): void {
    switch (event.kind) {
      case "labChanged":
        this.state = event.lab;
        return;
      case "engine":
        return this.#noteEngine(event.engine);
      case "progress":
        if (event.progress.phase === "idle" || event.progress.phase === "cancelled") this.#outdate();
        return;
      case "photosRemoved":
        return this.#outdate();
      case "photosScored":
        // Of the same labels they can be the answer to an edit, and what that does is known.
        if (event.labelsVersion !== this.#labelsVersion) this.#outdate();
        this.#labelsVersion = event.labelsVersion;
    }
  }

  #noteEngine({ state, model, device }: EngineStatus): void {
    if (state !== "ready" || !model) return;
    const computes = JSON.stringify([model.name, model.path, device?.active.id]);
    if (computes === this.#computes) return;
    this.#computes = computes;
    void this.#load();
    this.#outdate();
  }

  async #load(): Promise<void> {
    // Before there is a model there is nothing to ask for.
    if (this.#computes === null) return;
    try {
      this.state = await this.backend.lab();
    } catch (reason) {
      this.onProblem(problemFrom(reason));
    }
  }

  #outdate(): void {
    this.#isStale = true;
    if (this.#watchers === 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.refresh(), QUIET_MS);
  }

  #send(edits: readonly Edit[]): Promise<void> {
    const isWaiting = this.#wanted !== null;
    this.#draft = edits;
    this.#wanted = [...edits];
    return isWaiting ? this.#chain : this.#queue(() => this.#sendNewest());
  }

  async #sendNewest(): Promise<void> {
    const edits = this.#wanted;
    this.#wanted = null;
    if (edits === null) return;
    this.#use(await this.backend.setEdits(edits));
    // The event that says so may come later than the answer.
    this.state = { ...this.state, edits, canUndo: true, canRedo: false };
  }

  /** Undo, redo and loading wait for what is under way, and are not joined. */
  #act(command: () => Promise<LabEffect>): Promise<void> {
    this.#setAside = null;
    return this.#queue(async () => {
      this.#use(await command());
      this.state = await this.backend.lab();
    });
  }

  #queue(command: () => Promise<void>): Promise<void> {
    this.#queued += 1;
    this.isWorking = true;
    this.#chain = this.#chain.then(async () => {
      await this.#try(command);
      this.#queued -= 1;
      if (this.#queued > 0) return;
      this.#draft = null;
      this.isWorking = false;
    });
    return this.#chain;
  }

  async #try(command: () => Promise<void>): Promise<boolean> {
    try {
      await command();
      return true;
    } catch (reason) {
      this.onProblem(problemFrom(reason));
      return false;
    }
  }

  #use(effect: LabEffect): void {
    this.effect = effect;
    this.problem = null;
    this.#isStale = false;
    this.revision += 1;
  }
}
