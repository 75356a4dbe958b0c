// Everything the views share, and the actions that buttons and keys have in common.
import { getContext, setContext } from "svelte";
import type { Backend } from "../ipc/backend";
import type { Problem } from "../ipc/bindings";
import { problemFrom } from "../model/problems";
import { afterRemoval, NOTHING } from "../model/selection";
import { GridView } from "./gridView.svelte";
import { explain, t } from "./i18n.svelte";
import { LabelDraft } from "./labelDraft.svelte";
import { Library } from "./library.svelte";
import { Panels } from "./panels.svelte";
import { Toasts } from "./toasts.svelte";

export type DialogName = "shortcuts" | "settings" | "failures" | "modelCard";

export class Workspace {
  readonly library: Library;
  readonly labels: LabelDraft;
  readonly grid: GridView;
  readonly panels = new Panels();
  readonly toasts = new Toasts();
  dialog: DialogName | null = $state(null);
  /** Rises to ask a field for the focus: the view that owns it watches. */
  findRequests = $state(0);

  constructor(readonly backend: Backend) {
    this.library = new Library(backend, (problem) => this.report(problem));
    this.labels = new LabelDraft(this.library);
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

  async removeSelected(): Promise<void> {
    const ids = this.grid.selection.ids;
    if (ids.size === 0) return;
    const next = afterRemoval(this.grid.ids, ids);
    await this.remove([...ids]);
    this.grid.selection = next;
  }

  async clear(): Promise<void> {
    await this.remove(this.library.photos.map((photo) => photo.id).concat(this.library.failures.map((failure) => failure.id)));
    this.grid.selection = NOTHING;
  }

  /** The files stay where they are, so putting the photos back is adding their paths again. */
  async remove(ids: readonly number[]): Promise<void> {
    const paths = ids.flatMap((id) => this.library.get(id)?.path || []);
    await this.run(this.backend.remove([...ids]));
    if (paths.length === 0) return;
    this.toasts.show({
      text: t("toast.removed", { count: paths.length }),
      tone: "plain",
      action: { label: t("action.undo"), run: () => void this.run(this.backend.addPaths(paths)) },
    });
  }
}

const CONTEXT = Symbol("app");

export function provideApp(app: Workspace): Workspace {
  return setContext(CONTEXT, app);
}

export function useApp(): Workspace {
  return getContext<Workspace>(CONTEXT);
}
