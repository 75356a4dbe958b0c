// Everything the views share, and the actions that buttons and keys have in common.
import { getContext, setContext } from "svelte";
import type { Backend } from "../ipc/backend";
import type { CatalogueModel, Problem, ReviewVerdict } from "../ipc/bindings";
import { actionsFor } from "../model/models";
import { SCREENS, type Screen } from "../model/keys";
import { problemFrom } from "../model/problems";
import { EVERYTHING } from "../model/query";
import { afterRemoval, NOTHING } from "../model/selection";
import { Devices } from "./devices.svelte";
import { Figures } from "./figures.svelte";
import { GridView } from "./gridView.svelte";
import { explain, t } from "./i18n.svelte";
import { Lab } from "./lab.svelte";
import { LabelDraft } from "./labelDraft.svelte";
import { LabelSets } from "./labelSets.svelte";
import { Library } from "./library.svelte";
import { Models, type Happening } from "./models.svelte";
import { searchWords } from "./modelWords";
import { Panels } from "./panels.svelte";
import { Projection } from "./projection.svelte";
import { Review } from "./review.svelte";
import { Shelf } from "./shelf.svelte";
import { Speed } from "./speed.svelte";
import { Toasts } from "./toasts.svelte";
import { Tuning } from "./tuning.svelte";

export type DialogName = "shortcuts" | "settings" | "failures" | "modelCard" | "removeModel" | "verifyModel";

export const SETTINGS_TABS = ["general", "devices", "speed"] as const;
export type SettingsTab = (typeof SETTINGS_TABS)[number];

export class Workspace {
  readonly library: Library;
  readonly labels: LabelDraft;
  readonly labelSets: LabelSets;
  readonly grid: GridView;
  readonly figures: Figures;
  readonly models: Models;
  readonly lab: Lab;
  readonly tuning: Tuning;
  readonly projection: Projection;
  readonly review: Review;
  readonly shelf: Shelf;
  readonly devices: Devices;
  readonly speed: Speed;
  readonly panels = new Panels();
  readonly toasts = new Toasts();
  screen: Screen = $state(firstScreen());
  dialog: DialogName | null = $state(null);
  settingsTab: SettingsTab = $state("general");
  /** Rises to ask a field for the focus: the view that owns it watches. */
  findRequests = $state(0);
  /** Whether the details of a model are to take the keyboard. */
  wantsDetails = $state(false);
  /** Whether the inspector's field for a tag is to take the keyboard. */
  wantsTag = $state(false);

  constructor(readonly backend: Backend) {
    this.models = new Models(backend, searchWords, (happening) => this.#tell(happening));
    this.lab = new Lab(backend, (problem) => this.report(problem));
    this.tuning = new Tuning(backend);
    this.projection = new Projection(backend);
    this.review = new Review(backend, (problem) => this.report(problem));
    this.shelf = new Shelf(backend, () => this.grid.selection.ids);
    this.devices = new Devices(backend, (problem) => this.report(problem));
    this.speed = new Speed(backend, (problem) => this.report(problem));
    this.library = new Library(backend, (problem) => this.report(problem), (event) => {
      this.models.apply(event);
      this.projection.apply(event);
      this.review.apply(event);
      this.lab.apply(event);
      this.tuning.apply(event);
      this.grid.apply(event);
      this.figures.apply(event);
      this.shelf.apply(event);
      this.devices.apply(event);
    }, () => this.grid.load());
    this.figures = new Figures(backend);
    this.labels = new LabelDraft(this.library);
    this.labelSets = new LabelSets(backend, this.labels);
    this.grid = new GridView(this.library, this.labels);
  }

  /** Runs a command of the shell; its failure becomes a note. Gives undefined then. */
  async run<T>(command: Promise<T>): Promise<T | undefined> {
    try {
      return await command;
    } catch (reason) {
      this.report(problemFrom(reason));
      return undefined;
    }
  }

  report(problem: Problem): void {
    const { what, remedy } = explain(problem);
    this.toasts.show({
      text: what,
      detail: remedy,
      tone: "bad",
      // Without a cause the details say no more than the note does.
      action: problem.params.cause === undefined ? undefined : { label: t("action.copyDetails"), run: () => void this.copy(problem.message) },
    });
  }

  async copy(text: string): Promise<void> {
    await this.run(this.backend.copyText(text).then(() => this.toasts.show({ text: t("toast.copied"), tone: "plain" })));
  }

  /** A photo in the large view, which steps through the photos of the grid if it is one of them. */
  showLarge(id: number): void {
    this.grid.largeId = id;
  }

  /** The photos of which no file is there. */
  showMissing(): void {
    this.screen = "photos";
    (this.grid as GridView & { filterMissing?: () => void }).filterMissing?.();
  }

  openSettings(tab: SettingsTab = "general"): void {
    this.settingsTab = tab;
    this.dialog = "settings";
  }

  /** The edits in force, where they are made. */
  openEdits(): void {
    this.projection.tab = "edits";
    this.screen = "projection";
  }

  /** The details of the selected model, with the keyboard in them. */
  openModelDetails(): void {
    this.panels.showModelDetails();
    this.wantsDetails = true;
  }

  showModel(name: string): void {
    this.models.selectedName = name;
    this.screen = "models";
  }

  /** Deleting gigabytes is asked about first; what cannot be removed says why. */
  askRemoval(model: CatalogueModel | undefined): void {
    if (!model) return;
    const actions = actionsFor(model);
    if (actions.includes("remove") || actions.includes("cancel")) {
      this.models.removing = model.name;
      this.dialog = "removeModel";
    } else if (model.active && model.state !== "embedded") {
      this.report({ code: "modelInUse", params: { name: model.name }, message: `${model.name} was not removed: it computes now.` });
    }
  }

  verifyModel(name: string, anew: boolean): void {
    this.dialog = "verifyModel";
    void this.models.verify(name, anew);
  }

  async useModel(name: string): Promise<void> {
    await this.models.use(name);
    const failure = this.models.switchFailure;
    if (failure && this.screen !== "models") this.report(failure.problem);
  }

  /** A transfer goes on behind every screen; its end is told on each. */
  #tell(happening: Happening): void {
    if (happening.kind === "failed") {
      if (this.screen !== "models") this.report(happening.problem);
      return;
    }
    const { name } = happening;
    this.toasts.show({
      text: t("toast.modelArrived", { name }),
      tone: "plain",
      action: { label: t("models.use"), run: () => void this.useModel(name) },
    });
  }

  /** More like the selected photos, or like the one in the large view. */
  searchWithPhotos(ids: Iterable<number> = this.grid.selection.ids, weight = 1): void {
    const photos = [...ids].slice(0, PHOTO_TERMS_MOST);
    if (photos.length === 0) return;
    this.grid.largeId = null;
    this.screen = "photos";
    this.grid.addPhotos(photos, weight);
  }

  /** Asks the inspector's field for a tag. */
  tagSelected(): void {
    if (this.grid.selection.ids.size === 0) return;
    if (!this.panels.showsInspector) this.panels.toggleInspector();
    this.wantsTag = true;
  }

  /** A tag on photos, or a verdict on one; one step that can be undone. */
  async decide(ids: Iterable<number>, label: string, verdict: ReviewVerdict): Promise<void> {
    const photos = [...ids];
    if (photos.length === 0) return;
    const isDone = await this.run(this.backend.review.decide(photos, label, verdict).then(() => true));
    if (!isDone) return;
    this.toasts.show({
      text: t(`toast.tag.${verdict}`, { label, count: photos.length }),
      tone: "plain",
      action: { label: t("action.undo"), run: () => void this.run(this.backend.review.undo()) },
    });
  }

  async removeSelected(): Promise<void> {
    const { ids } = this.grid.selection;
    if (ids.size === 0) return;
    const next = afterRemoval(this.grid.ids, ids);
    await this.remove([...ids]);
    this.grid.selection = next;
  }

  /** Only for photos on the table: a library is not emptied by a button. */
  async clearTable(): Promise<void> {
    const list = await this.run(this.backend.photoList(EVERYTHING));
    await this.remove([...(list?.ids ?? []), ...this.library.failures.map((failure) => failure.id)]);
    this.grid.selection = NOTHING;
  }

  /** The files stay where they are, and so does what was decided about the photos. */
  async remove(photos: readonly number[]): Promise<void> {
    const ids = [...new Set(photos)];
    if (ids.length === 0) return;
    const isDone = await this.run(this.backend.remove(ids).then(() => true));
    if (!isDone) return;
    this.toasts.show({
      text: t(this.library.facts ? "toast.removed" : "toast.removedFromTable", { count: ids.length }),
      tone: "plain",
      action: { label: t("action.undo"), run: () => void this.run(this.backend.restore(ids)) },
    });
  }
}

/** A search with more photos than this says less than their mean does. */
const PHOTO_TERMS_MOST = 20;

/** For development in a browser: `?screen=models`. */
function firstScreen(): Screen {
  const wished = import.meta.env.DEV ? new URLSearchParams(location.search).get("screen") : null;
  return SCREENS.find((screen) => screen === wished) ?? "photos";
}

const CONTEXT = Symbol("app");

export function provideApp(app: Workspace): Workspace {
  return setContext(CONTEXT, app);
}

export function useApp(): Workspace {
  return getContext<Workspace>(CONTEXT);
}
