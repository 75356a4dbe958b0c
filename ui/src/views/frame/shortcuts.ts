// Keys that work anywhere in the window. Keys of the grid are the grid's own (views/photos/gridKeys.ts), those of the models' list
// the list's, those of a matrix the heat map's.
import { tick } from "svelte";
import { chord, digitIndex, shortcutFor, type Screen, type ShortcutId } from "../../model/keys";
import { NO_FILTER } from "../../model/models";
import type { Workspace } from "../../state/workspace.svelte";
import { reviewActions } from "../review/keys";

export const IS_MAC = /Mac/u.test(navigator.platform);

type Actions = Partial<Record<ShortcutId, () => unknown>>;

/** Returns what to listen with on the window. */
export function globalKeys(app: Workspace): (event: KeyboardEvent) => void {
  const { backend, grid, models } = app;
  const everywhere: Actions = {
    openFiles: () => adding(app, () => backend.chooseFiles()),
    openFolder: () => adding(app, () => backend.chooseFolder()),
    paste: () => adding(app, () => backend.paste()),
    find: () => find(app),
    photos: () => (app.screen = "photos"),
    review: () => (app.screen = "review"),
    shelf: () => (app.screen = "shelf"),
    projection: () => (app.screen = "projection"),
    models: () => (app.screen = "models"),
    shortcuts: () => (app.dialog = "shortcuts"),
  };
  const onScreen: Record<Exclude<Screen, "review">, Actions> = {
    photos: {
      large: () => openLarge(app),
      remove: () => app.removeSelected(),
      tag: () => app.tagSelected(),
      searchPhoto: () => app.searchWithPhotos(),
      belongs: () => markSelected(app, true),
      belongsNot: () => markSelected(app, false),
      labels: () => app.panels.toggleLabels(),
      inspector: () => app.panels.toggleInspector(),
      close: () => (grid.isSearching ? grid.endSearch() : grid.isFiltered ? grid.clearFilter() : undefined),
    },
    // Keys of near duplicates and outliers are their lists' own.
    shelf: {},
    projection: {
      find: () => {
        app.projection.tab = "matrix";
        app.projection.wantsSearch = true;
      },
    },
    models: {
      inspector: () => app.panels.toggleModelDetails(),
      modelOpen: () => app.openModelDetails(),
      modelRemove: () => app.askRemoval(models.selected),
      close: () => models.narrow(NO_FILTER),
    },
  };
  return (event) => {
    if (event.defaultPrevented || isFloating()) return;
    const pressed = chord(event, IS_MAC);
    const typing = isTyping(event.target);
    if (typing && !WORKS_WHILE_TYPING.has(pressed)) return;
    if ((pressed === "space" || pressed === "enter") && isPressable(event.target)) return;
    if (pressed === "delete" && isInEditor(event.target)) return;
    if (pressed.startsWith("arrow") && isChoice(event.target)) return;
    const digit = app.screen === "photos" ? digitIndex(pressed) : null;
    const label = digit === null ? undefined : app.labels.value.labels[digit];
    const meant = shortcutFor(pressed, app.screen);
    const here: Actions = app.screen === "review" ? reviewActions(app.review) : onScreen[app.screen];
    const action = label === undefined ? meant && (here[meant] ?? everywhere[meant]) : () => grid.toggleFilter(label);
    if (action) {
      event.preventDefault();
      if (event.repeat && meant !== null && ONCE_A_PRESS.has(meant)) return;
      action();
    } else if (/^(arrow|home|end|page)/u.test(pressed) || pressed === "mod+a") {
      toList(event, LISTS[app.screen]);
    }
  };
}

/** What arrows mean while nothing has the focus. */
const LISTS: Record<Screen, string> = { photos: "photo-grid", review: "review-list", shelf: "shelf-list", projection: "projection-tab", models: "model-list" };

/** A key that is held down must not run through what waits for a verdict. */
const ONCE_A_PRESS: ReadonlySet<ShortcutId> = new Set(["reviewAccept", "reviewReject", "reviewUndo", "reviewRedo"]);

/** Opening files and finding make sense from a text field too; the rest is typing. */
const WORKS_WHILE_TYPING = new Set(["mod+o", "mod+shift+o", "mod+f", "mod+k"]);

/** A dialog or popover has the keyboard to itself; the browser closes it on Esc. */
function isFloating(): boolean {
  return document.querySelector("dialog[open], [popover='auto']:popover-open") !== null;
}

function isTyping(target: EventTarget | null): boolean {
  if (target instanceof HTMLInputElement) return target.type !== "radio" && target.type !== "checkbox" && target.type !== "range";
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

/** Del in the labels editor is about labels, never about the selected photos. */
function isInEditor(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("#labels-editor") !== null;
}

/** Arrows step through choices that have the focus, and move a slider. */
function isChoice(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement;
}

/** Space and Enter press a focused button. */
function isPressable(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("button, summary, input") !== null;
}

/** Arrows with nothing in focus mean the photos, the tabs, or the models: their list gets the focus and the same key. */
function toList(event: KeyboardEvent, id: string): void {
  const list = document.getElementById(id);
  if (!list || document.activeElement !== document.body) return;
  event.preventDefault();
  list.focus();
  list.dispatchEvent(new KeyboardEvent("keydown", event));
}

/** What is added shows among the photos; a dialog that was cancelled gives false. */
async function adding(app: Workspace, command: () => Promise<unknown>): Promise<void> {
  await app.run(command().then((added) => {
    if (added !== false) app.screen = "photos";
  }));
}

/** Where there is nothing to search in, photos are searched for. */
async function find(app: Workspace): Promise<void> {
  if (app.screen === "review" || app.screen === "shelf") {
    app.screen = "photos";
    await tick();
  }
  app.findRequests += 1;
}

/** Says of the selected photos whether they belong to what was searched for. */
function markSelected({ grid }: Workspace, belongs: boolean): void {
  if (grid.isSearching) void grid.mark([...grid.selection.ids].slice(0, MARKED_MOST), belongs);
}

/** Marks are sayings about single photos; a key pressed with all of them selected is a slip. */
const MARKED_MOST = 200;

function openLarge(app: Workspace): void {
  const { grid } = app;
  const id = grid.selection.active ?? grid.ids[0];
  if (id !== undefined && grid.ids.includes(id)) grid.largeId = id;
}
