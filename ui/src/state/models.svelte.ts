// The models as the shell last told them, what this window asks of them, and how the list is looked at.
import type { Backend } from "../ipc/backend";
import type { CatalogueModel, EngineStatus, ModelInfo, ModelList, Problem, VerifyProgress, VerifyReport, WorkbenchEvent } from "../ipc/bindings";
import { arranged, completed, isHere, isMoving, NO_FILTER, passes, RECOMMENDED_FIRST, withTransfer, type ModelFilter, type ModelOrder } from "../model/models";
import { problemFrom } from "../model/problems";
import { currentLocale } from "./i18n.svelte";

/** How a check of a model goes, or went. */
export interface Verification {
  name: string;
  progress: VerifyProgress | null;
  report: VerifyReport | null;
  problem: Problem | null;
}

export type Happening = { kind: "arrived"; name: string } | { kind: "failed"; name: string; problem: Problem };

export class Models {
  list: ModelList | null = $state.raw(null);
  /** Why there is no list. */
  problem: Problem | null = $state.raw(null);
  filter: ModelFilter = $state.raw(NO_FILTER);
  order: ModelOrder = $state.raw(RECOMMENDED_FIRST);
  selectedName: string | null = $state(null);
  /** The model that is being loaded to compute. */
  switchingTo: string | null = $state(null);
  /** The last switch that failed; the model before goes on. */
  switchFailure: { name: string; problem: Problem } | null = $state.raw(null);
  /** The model whose removal is asked about. */
  removing: string | null = $state(null);
  /** The model whose report is shown. */
  reported: string | null = $state(null);

  #infos: ReadonlyMap<string, ModelInfo> = $state.raw(new Map());
  #verifications: ReadonlyMap<string, Verification> = $state.raw(new Map());
  #asked = false;

  constructor(
    readonly backend: Backend,
    /** Everything by which a person may look for a model, in her language. */
    readonly wordsOf: (model: CatalogueModel) => string,
    readonly onHappening: (happening: Happening) => void,
  ) {}

  all: readonly CatalogueModel[] = $derived.by(() => (this.list?.models ?? []).map((model) => completed(model, this.#infos.get(model.name))));
  #collator = $derived.by(() => new Intl.Collator(currentLocale(), { numeric: true, sensitivity: "base" }));
  #haystacks = $derived.by(() => new Map(this.all.map((model) => [model.name, this.wordsOf(model)])));
  sections = $derived.by(() => {
    const found = this.all.filter((model) => passes(model, this.filter, this.#haystacks.get(model.name) ?? ""));
    return arranged(found, this.order, (a, b) => this.#collator.compare(a, b));
  });
  shown = $derived.by(() => this.sections.flatMap((section) => section.models));
  /** What the details show: the selected model, or until one is selected, the one that computes. */
  selected = $derived.by(() => this.get(this.selectedName) ?? this.all.find((model) => model.active) ?? this.all[0]);
  here = $derived.by(() => this.all.filter(isHere));
  moving = $derived.by(() => this.all.filter(isMoving));

  get(name: string | null): CatalogueModel | undefined {
    return name === null ? undefined : this.all.find((model) => model.name === name);
  }

  /** What a model is made of, once it was loaded since this window opened. */
  infoOf(name: string): ModelInfo | undefined {
    return this.#infos.get(name);
  }

  verificationOf(name: string): Verification | undefined {
    return this.#verifications.get(name);
  }

  isVerifying(name: string): boolean {
    const verification = this.#verifications.get(name);
    return verification !== undefined && verification.report === null && verification.problem === null;
  }

  narrow(change: Partial<ModelFilter>): void {
    this.filter = { ...this.filter, ...change };
  }

  /** Asks for the list, the first time or after it could not be had. */
  async load(): Promise<void> {
    if (this.#asked && this.problem === null) return;
    this.#asked = true;
    this.problem = null;
    try {
      const list = await this.backend.models();
      // An event can have brought a newer one meanwhile.
      this.list ??= list;
    } catch (reason) {
      this.problem = problemFrom(reason);
    }
  }

  apply(event: WorkbenchEvent): void {
    switch (event.kind) {
      case "modelsChanged":
        return this.#useList(event.list);
      case "transferProgress":
        if (this.list) this.list = { ...this.list, models: withTransfer(this.list.models, event.transfer) };
        return;
      case "verifyProgress":
        return this.#noteVerification(event.progress.name, { progress: event.progress });
      case "engine":
        return this.#noteEngine(event.engine);
    }
  }

  #useList(list: ModelList): void {
    const before = new Map(this.list?.models.map((model) => [model.name, model]));
    this.list = list;
    this.problem = null;
    this.#forgetGone(new Set(list.models.filter(isHere).map((model) => model.name)));
    for (const model of list.models) {
      const old = before.get(model.name);
      if (!old || !isMoving(old)) continue;
      if (isHere(model)) this.onHappening({ kind: "arrived", name: model.name });
      const problem = model.state === "failed" ? model.transfer?.problem : null;
      if (problem) this.onHappening({ kind: "failed", name: model.name, problem });
    }
  }

  /** A report is about files; when those go, or come anew, it says nothing any more. */
  #forgetGone(here: ReadonlySet<string>): void {
    if ([...this.#verifications.keys()].every((name) => here.has(name))) return;
    this.#verifications = new Map([...this.#verifications].filter(([name]) => here.has(name)));
  }

  #noteEngine({ model }: EngineStatus): void {
    if (model && this.#infos.get(model.name) !== model) this.#infos = new Map(this.#infos).set(model.name, model);
  }

  #noteVerification(name: string, change: Partial<Verification>): void {
    const before = this.#verifications.get(name) ?? { name, progress: null, report: null, problem: null };
    this.#verifications = new Map(this.#verifications).set(name, { ...before, ...change });
  }

  /** Computes with this model from now on; on failure the one before goes on, and the reason is kept for the screen. */
  async use(name: string): Promise<void> {
    if (this.switchingTo !== null) return;
    this.switchingTo = name;
    this.switchFailure = null;
    try {
      await this.backend.chooseModel(name);
    } catch (reason) {
      this.switchFailure = { name, problem: problemFrom(reason) };
    } finally {
      this.switchingTo = null;
    }
  }

  /** Checks a model and shows how it goes; a report that is there is shown again without `anew`. */
  async verify(name: string, anew = true): Promise<void> {
    this.reported = name;
    if (this.isVerifying(name) || (!anew && this.#verifications.has(name))) return;
    this.#noteVerification(name, { progress: null, report: null, problem: null });
    try {
      const report = await this.backend.verifyModel(name);
      this.#noteVerification(name, { report });
    } catch (reason) {
      this.#noteVerification(name, { problem: problemFrom(reason) });
    }
  }
}
